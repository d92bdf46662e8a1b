"""What a prompt produced: every output of every output node, whatever key the node used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from comfywire.errors import OutputsGone, UnsafeName
from comfywire.protocol.tracked import SocketImage, Tracked

from .downloads import Downloads, NotThere
from .names import safe_folder, safe_name
from .saving import Place, write_whole

__all__ = ["Output", "Result", "collect_outputs"]

KINDS = {
    "image": "png jpg jpeg jpe webp bmp tif tiff avif heic jxl svg exr hdr tga ico ppm",
    "animation": "gif apng",
    "video": "mp4 webm mov mkv avi m4v mpg mpeg ogv",
    "audio": "flac mp3 opus wav ogg oga m4a aac aiff",
    "latent": "latent",
    "3d": "glb gltf obj stl ply fbx splat ksplat spz usdz 3mf dae",
    "text": "txt md csv srt vtt",
}
KIND_OF = {suffix: kind for kind, suffixes in KINDS.items() for suffix in suffixes.split()}
MAY_MOVE = frozenset({"png", "webp", "avif", "jxl"})
"""Pictures that are animations when the node says so in ``animated`` (nodes_images.py, 0.3.64)."""
SUFFIX_OF = {"image/png": "png", "image/jpeg": "jpg"}
FLAGS = frozenset({"animated"})
"""Keys that describe their siblings and are no outputs themselves."""


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
            picture that came over the socket and exists nowhere else; empty for texts and values.
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

    @property
    def has_bytes(self) -> bool:
        """Whether it can be read and saved: everything but values."""
        return self.kind != "value"

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
        if self._content is not None:
            return self._content
        if self.filename is None or self._downloads is None:
            raise ValueError(f"the {self.kind} of node {self.node_id} is no file; it is in .value")
        try:
            return await self._downloads.read(self.filename, self.subfolder, self.type)
        except NotThere as error:
            raise self._gone() from error

    async def save(self, path: str | Path) -> Path:
        """Write it to ``path`` and return where it went.

        A folder (one that exists, or a path that ends with a slash) gets it under the server's name made
        safe, numbered if that is taken; anything else is the file itself, replaced if it is there. The
        bytes are streamed, and the name appears only when they are whole. Cancelling leaves nothing behind.
        Raises like :meth:`read`, and OSError where it cannot be written.
        """
        is_folder = True if str(path).endswith(("/", "\\")) else None
        return await self._save(Place(Path(path), self._own_name(), is_folder))

    async def save_in(self, folder: Path) -> Path:
        """Like :meth:`save`, below ``folder``, with the server's subfolder kept."""
        return await self._save(Place(safe_folder(folder, self.subfolder), self._own_name(), is_folder=True))

    async def _save(self, place: Place) -> Path:
        if self._content is not None:
            return await write_whole(place, self._content)
        if self.filename is None or self._downloads is None:
            raise ValueError(f"the {self.kind} of node {self.node_id} is no file; it is in .value")
        try:
            return await self._downloads.save((self.filename, self.subfolder, self.type), place)
        except NotThere as error:
            raise self._gone() from error

    def _own_name(self) -> str:
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


@dataclass(frozen=True, slots=True)
class Result:
    """How a prompt that ended well came out.

    Attributes:
        prompt_id: Which prompt.
        outputs: Every output of every output node, in the order of the graph's nodes.
        warnings: What the caller should know: outputs that the server's validator dropped, pictures that
            were lost with the socket. One sentence each.

    """

    prompt_id: str
    outputs: list[Output]
    warnings: list[str] = field(default_factory=list)

    def of(self, node_id: str) -> list[Output]:
        """Return the outputs of one node."""
        return [output for output in self.outputs if output.node_id == node_id]

    @property
    def files(self) -> list[Output]:
        """The outputs that are files, or pictures that came over the socket."""
        return [output for output in self.outputs if output.filename is not None]

    async def save(self, folder: str | Path) -> list[Path]:
        """Save every file, picture and text below ``folder``; return the paths, in the order of the outputs.

        Raises like :meth:`Output.read`; what was saved before stays.
        """
        return [await output.save_in(Path(folder)) for output in self.outputs if output.has_bytes]


def collect_outputs(tracked: Tracked, downloads: Downloads) -> list[Output]:
    """Return what is known of a prompt's outputs, in node order."""
    found = [
        output
        for node_id, shown in tracked.state.outputs.items()
        for output in _of_node(tracked, node_id, shown, downloads)
    ]
    for picture in tracked.images:
        found.append(_of_socket(tracked, picture, sum(o.node_id == picture.node_id for o in found)))
    places = {node_id: number for number, node_id in enumerate(tracked.graph)}
    asked = [output for output in found if _was_asked_for(output.node_id, tracked)]
    return sorted(asked, key=lambda output: _place(output.node_id, places))


def _was_asked_for(node_id: str, tracked: Tracked) -> bool:
    """History also has what a cache still holds of nodes that are no targets (execution.py, 0.3.64)."""
    parent = node_id.split(".", 1)[0]
    return not {node_id, parent} & tracked.graph.keys() or bool({node_id, parent} & tracked.tally.required)


def _place(node_id: str, places: Mapping[str, int]) -> int:
    """Nodes that others expanded into have ids like 10.0.0.1 (graph_utils.py, 0.3.64): in their parent's."""
    parent = node_id.split(".", 1)[0]
    return places.get(node_id, places.get(parent, len(places)))


def _of_node(
    tracked: Tracked, node_id: str, shown: Mapping[str, Any], downloads: Downloads
) -> Iterator[Output]:
    class_type = _class_type(tracked, node_id)
    moves = shown.get("animated")
    for key, entries in shown.items():
        if key in FLAGS:
            continue
        for place, entry in enumerate(entries if isinstance(entries, list) else [entries]):
            if isinstance(entry, dict) and isinstance(entry.get("filename"), str):
                kind = _kind(entry["filename"], is_moving=_flag(moves, place))
                yield Output(
                    node_id,
                    class_type,
                    key,
                    kind,
                    filename=entry["filename"],
                    subfolder=str(entry.get("subfolder") or ""),
                    type=str(entry.get("type") or "output"),
                    value=entry,
                    _downloads=downloads,
                    _prompt_id=tracked.prompt_id,
                )
            elif isinstance(entry, str):
                yield Output(
                    node_id, class_type, key, "text", value=entry, _content=entry.encode(errors="replace")
                )
            elif entry is not None:
                yield Output(node_id, class_type, key, "value", value=entry)


def _of_socket(tracked: Tracked, picture: SocketImage, number: int) -> Output:
    return Output(
        picture.node_id,
        _class_type(tracked, picture.node_id),
        "images",
        "image",
        filename=f"node{picture.node_id}_{number + 1:05}_.{SUFFIX_OF.get(picture.media_type, 'bin')}",
        type="socket",
        _content=picture.image,
        _prompt_id=tracked.prompt_id,
    )


def _class_type(tracked: Tracked, node_id: str) -> str | None:
    node = tracked.graph.get(node_id)
    class_type = node.get("class_type") if isinstance(node, dict) else None
    return class_type if isinstance(class_type, str) else None


def _kind(filename: str, *, is_moving: bool) -> str:
    suffix = PurePosixPath(filename).suffix.lstrip(".").lower()
    if is_moving and suffix in MAY_MOVE:
        return "animation"
    return KIND_OF.get(suffix, "file")


def _flag(flags: object, place: int) -> bool:
    """``animated`` is one flag for all, or one for each."""
    if not isinstance(flags, Sequence) or not flags:
        return False
    return flags[min(place, len(flags) - 1)] is True
