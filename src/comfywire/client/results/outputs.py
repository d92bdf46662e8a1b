"""One output of one node: a file, a picture that came over the socket, a text or a value."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from comfywire.client.downloads import Downloads, File, FileTooLarge, NotThere
from comfywire.client.files.names import safe_folder, safe_name
from comfywire.client.saving import Place, write_whole
from comfywire.errors import OutputsGone, UnsafeName

from .notebook import mimebundle_of
from .pictures import as_array, as_image
from .shown import MODEL_SUFFIXES

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

__all__ = ["Output", "kind_of"]

Value = TypeVar("Value")
KINDS = {
    "image": "png jpg jpeg jpe webp bmp tif tiff avif heic jxl svg exr hdr tga ico ppm",
    "animation": "gif apng",
    "video": "mp4 webm mov mkv avi m4v mpg mpeg ogv",
    "audio": "flac mp3 opus wav ogg oga m4a aac aiff",
    "latent": "latent",
    "3d": " ".join(MODEL_SUFFIXES),
    "text": "txt md csv srt vtt",
}
KIND_OF = {suffix: kind for kind, suffixes in KINDS.items() for suffix in suffixes.split()}
MAY_MOVE = frozenset({"png", "webp", "avif", "jxl"})
"""Pictures that are animations when the node says so in ``animated`` (nodes_images.py, 0.3.64)."""


@dataclass(frozen=True, slots=True)
class Output:
    """One output of one node: a file on the server, a picture that came over the socket, or a value.

    Attributes:
        node_id: The node that shows it; for a node that others expanded into, its own id.
        class_type: The node's type, None where the graph does not say.
        key: The key under which the node showed it: ``images``, ``gifs``, ``text``, ...
        kind: ``image``, ``animation``, ``video``, ``audio``, ``latent``, ``3d``, ``file``, ``text`` or
            ``value``; of a file, by its extension, because keys lie (SaveVideo uses ``images``).
        filename: The server's name for it, None for texts and values. Not safe to write to: use
            :meth:`save`.
        subfolder: The folder below the root, often empty.
        type: The root: ``output``, ``temp`` (wiped when the server restarts) or ``input``; ``socket`` for a
            picture that came over the socket and exists nowhere else; ``etn`` for one in the memory of the
            node pack comfyui-tooling-nodes, which forgets it after a while; empty for texts and values.
        value: The text or the value; for a file, the server's whole description of it.

    """

    node_id: str
    class_type: str | None
    key: str
    kind: str
    filename: str | None = None
    subfolder: str = ""
    type: str = ""
    value: Any = None
    _content: bytes | None = field(default=None, repr=False)
    _downloads: Downloads | None = field(default=None, repr=False, compare=False)
    _prompt_id: str = field(default="", repr=False)
    _other_roots: Sequence[str] = field(default=(), repr=False, compare=False)
    """Where it may be instead, for a file of which the node gave only the name."""
    _brought: list[bytes] = field(default_factory=list, repr=False, compare=False)
    """Its bytes, once they were fetched for a notebook."""

    @property
    def has_bytes(self) -> bool:
        """Whether it can be read and saved: everything but values."""
        return self.kind != "value"

    @property
    def url(self) -> str | None:
        """Where the server has it, None for what is no file there; without user, password and token.

        Where the server wants these, :meth:`read` sends them and a browser must be let in by other means.
        """
        if self.filename is None or self._downloads is None:
            return None
        return self._downloads.url((self.filename, self.subfolder, self.type))

    @property
    def at_hand(self) -> bytes | None:
        """Its bytes, where no server need be asked for them."""
        if self._content is None and self.filename is None and isinstance(self.value, str):
            return self.value.encode(errors="replace")  # each time: a text of megabytes is there once
        return self._brought[0] if self._brought else self._content

    def is_on(self, downloads: Downloads) -> bool:
        """Whether it is a file of the server that ``downloads`` fetches from."""
        return self._downloads is downloads

    async def read(self) -> bytes:
        """Return its bytes; texts are encoded as UTF-8.

        Raises:
            OutputsGone: The server no longer has the file: deleted, or a temporary one after a restart.
            ConnectionFailed, ConnectionLost, ServerError: It could not be fetched, after some tries.
            ValueError: It is a value, not a file.

        """
        if self.at_hand is not None:
            return self.at_hand
        return await self._fetched(lambda downloads, file: downloads.read(*file))

    async def bring(self, at_most: int) -> int:
        """Fetch it so that it is at hand, unless it is larger; return how many bytes came."""
        if self.at_hand is None:
            try:
                self._brought.append(
                    await self._fetched(lambda downloads, file: downloads.read(*file, at_most=at_most))
                )
            except FileTooLarge:
                return 0
        return len(self.at_hand or b"")

    async def image(self) -> Image:
        """Return it as a Pillow picture; of an animation, the first frame with the others behind it.

        Raises:
            MissingExtra: Pillow is not installed.
            ValueError: It is no picture.
            OutputsGone, ConnectionFailed, ConnectionLost, ServerError: As :meth:`read` does.

        """
        return await asyncio.to_thread(as_image, await self._picture())

    async def array(self) -> NDArray[Any]:
        """Return its pixels as a NumPy array: ``uint8`` of height x width x channels, for most pictures.

        A grey picture has no third axis, a palette's colours are those that it names, 16 bits stay 16 bits.
        Of an animation it is the first frame. Raises like :meth:`image`.
        """
        return await asyncio.to_thread(as_array, await self._picture())

    async def _picture(self) -> bytes:
        if self.kind not in ("image", "animation"):
            raise ValueError(f"the {self.kind} of node {self.node_id} is no picture")
        return await self.read()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        del include, exclude  # IPython sorts out what it does not want
        return mimebundle_of(self)

    async def save(self, path: str | Path) -> Path:
        """Write it to ``path`` and return where it went.

        A folder (one that exists, or a path that ends with a slash) gets it under the server's name made
        safe, numbered if that is taken; anything else is the file itself, replaced if it is there. The
        bytes are streamed, and the name appears only when they are whole. Cancelling leaves nothing behind.
        Raises like :meth:`read`, and OSError where it cannot be written.
        """
        is_folder = True if str(path).endswith(("/", "\\")) else None
        return await self.save_at(Place(Path(path), self.own_name(), is_folder))

    async def save_in(self, folder: Path) -> Path:
        """Like :meth:`save`, below ``folder``, with the server's subfolder kept."""
        return await self.save_at(Place(safe_folder(folder, self.subfolder), self.own_name(), is_folder=True))

    async def save_at(self, place: Place) -> Path:
        """Write it where ``place`` says; :meth:`save` is for people."""
        if self.at_hand is not None:
            return await write_whole(place, self.at_hand)
        return await self._fetched(lambda downloads, file: downloads.save(file, place))

    async def _fetched(self, fetch: Callable[[Downloads, File], Awaitable[Value]]) -> Value:
        """Fetch it from where it is, or may be."""
        if self.filename is None or self._downloads is None:
            raise ValueError(f"the {self.kind} of node {self.node_id} is no file; it is in .value")
        for root in (self.type, *self._other_roots):
            try:
                return await fetch(self._downloads, (self.filename, self.subfolder, root))
            except NotThere as error:
                missing = error
        raise self._gone() from missing

    def own_name(self) -> str:
        """Return the server's name for it, made safe; a text has one of ours."""
        try:
            return safe_name(self.filename or f"node{self.node_id}_{self.key}.txt")
        except UnsafeName:
            return safe_name(f"node{self.node_id}_{self.key}_unnamed")

    def _gone(self) -> OutputsGone:
        return OutputsGone(
            f"the server no longer has {self.filename!r} of node {self.node_id}; run the workflow again with "
            "another seed or filename_prefix, since an unchanged one is answered from the cache",
            prompt_id=self._prompt_id,
        )


def kind_of(filename: str, *, is_moving: bool) -> str:
    """Return what a file is, by its extension; ``is_moving`` is what its node says."""
    suffix = PurePosixPath(filename).suffix.lstrip(".").lower()
    if is_moving and suffix in MAY_MOVE:
        return "animation"
    return KIND_OF.get(suffix, "file")
