"""Which kind of file this is, and what of its texts is the workflow."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from comfywire.errors import UnreadableWorkflow
from comfywire.workflow.metadata.bounded import MOST_BYTES, BoundedFile, MalformedFile
from comfywire.workflow.metadata.exr import SIGNATURE as EXR
from comfywire.workflow.metadata.exr import read_exr
from comfywire.workflow.metadata.glb import read_glb
from comfywire.workflow.metadata.id3 import read_mp3
from comfywire.workflow.metadata.isobmff import PICTURE_BRANDS, read_movie, read_picture
from comfywire.workflow.metadata.jpeg import read_jpeg
from comfywire.workflow.metadata.matroska import SIGNATURE as MATROSKA
from comfywire.workflow.metadata.matroska import read_matroska
from comfywire.workflow.metadata.png import SIGNATURE as PNG
from comfywire.workflow.metadata.png import read_png
from comfywire.workflow.metadata.riff import read_webp
from comfywire.workflow.metadata.safetensors import read_safetensors
from comfywire.workflow.metadata.svg import read_svg
from comfywire.workflow.metadata.vorbis import read_flac, read_ogg
from comfywire.workflow.recognise import Found, parse_json, recognise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from comfywire.workflow.metadata.bounded import Text

__all__ = ["HEAD_BYTES", "Format", "find_in_file", "format_of"]

HEAD_BYTES = 4096

_A1111 = re.compile(r"\bSteps: \d+, ")


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file that may hold a workflow.

    Attributes:
        name: What people call it, with its article.
        matches: Whether a file that begins with these bytes is of this kind.
        read: Yields the file's texts.

    """

    name: str
    matches: Callable[[bytes], bool]
    read: Callable[[BoundedFile], Iterator[Text]]


def _is_mp3(head: bytes) -> bool:
    # ID3, or eleven bits of frame synchronisation and a layer III.
    return head[:3] == b"ID3" or (head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xE6 == 0xE2)


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and head[5:8] == b"\0\0\0"


def _is_svg(head: bytes) -> bool:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!")) and b"<svg" in start)


_FORMATS = (
    Format("a PNG", lambda head: head.startswith(PNG), read_png),
    Format("a WebP", lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", read_webp),
    Format("a JPEG", lambda head: head.startswith(b"\xff\xd8\xff"), read_jpeg),
    Format("an AVIF", lambda head: head[4:8] == b"ftyp" and head[8:12] in PICTURE_BRANDS, read_picture),
    Format(
        "an MP4 or MOV", lambda head: head[4:8] in {b"ftyp", b"moov", b"wide", b"mdat", b"free"}, read_movie
    ),
    Format("a WebM or MKV", lambda head: head.startswith(MATROSKA), read_matroska),
    Format("a FLAC", lambda head: head.startswith(b"fLaC"), read_flac),
    Format("an Ogg file", lambda head: head.startswith(b"OggS"), read_ogg),
    Format("an MP3", _is_mp3, read_mp3),
    Format("an EXR", lambda head: head.startswith(EXR), read_exr),
    Format("a GLB", lambda head: head.startswith(b"glTF"), read_glb),
    Format("a safetensors file", _is_safetensors, read_safetensors),
    Format("an SVG", _is_svg, read_svg),
)


def format_of(head: bytes) -> Format | None:
    """Return the kind of a file that begins with ``head`` (:data:`HEAD_BYTES` of it), or None."""
    return next((known for known in _FORMATS if known.matches(head)), None)


def find_in_file(file: IO[bytes], known: Format, *, where: str) -> Found:
    """Return the prompt and the document that a file of this format holds, either or both.

    What is damaged behind the workflow does no harm; of two texts, one that cannot be read is passed over.

    Raises:
        UnreadableWorkflow: It holds none; ``where`` names the file in the message.

    """
    texts = _Texts()
    try:
        for key, text in known.read(BoundedFile(file)):
            texts.add(key, text)
    except MalformedFile as error:
        texts.damage = str(error)
    except OSError as error:
        raise UnreadableWorkflow(f"{where} cannot be read: {error.strerror or error}") from error
    found = texts.find(where)
    if found == Found():
        raise UnreadableWorkflow(f"{where} is {known.name} {texts.explain()}")
    return found


@dataclass(slots=True)
class _Texts:
    """The texts of a file that may be a workflow; under one key the last counts, as in the editor."""

    prompts: deque[str] = field(default_factory=lambda: deque(maxlen=4))
    documents: deque[str] = field(default_factory=lambda: deque(maxlen=4))
    wrappers: deque[str] = field(default_factory=lambda: deque(maxlen=4))
    is_a1111: bool = False
    damage: str = ""

    def add(self, key: str, text: str) -> None:
        if key.lower() == "parameters" or _A1111.search(text, 0, 1 << 16):
            self.is_a1111 = True
        if len(text) > MOST_BYTES or not text.lstrip().startswith("{"):
            return
        match key.lower():
            case "prompt":
                self.prompts.append(text)
            case "workflow":
                self.documents.append(text)
            case _:  # node packs put both into a comment: {"prompt": ..., "workflow": ...}
                self.wrappers.append(text)

    def find(self, where: str) -> Found:
        """Return what can be read: under the keys that ComfyUI uses, or else in other texts."""
        readable = [_first_readable(texts, where) for texts in (self.prompts, self.documents)]
        if readable == [None, None]:
            readable = [_first_readable(self.wrappers, where)]
        prompts = [found.prompt for found in readable if found and found.prompt]
        documents = [found.document for found in readable if found and found.document]
        return Found(prompts[0] if prompts else None, documents[-1] if documents else None)

    def explain(self) -> str:
        """Return why there is no workflow, and what to do; it reads on from "x.png is a PNG"."""
        if self.damage:
            return f"that is damaged ({self.damage}), and no workflow was found in it; ask for the file again"
        if self.is_a1111:
            return (
                "with the parameters of another program (A1111 and its kin) in it, not a ComfyUI workflow; "
                "open a workflow of your own and set its values from that text"
            )
        if self.prompts or self.documents:
            return "whose workflow is not JSON that ComfyUI wrote; ask for the original file, or for the JSON"
        return (
            "without a workflow in it (re-encoding loses it, and so does a server with --disable-metadata); "
            "ask for the original file, or for the workflow's JSON"
        )


def _first_readable(texts: deque[str], where: str) -> Found | None:
    for text in reversed(texts):
        try:
            return recognise(parse_json(text, where=where), where=where)
        except UnreadableWorkflow:
            continue
    return None
