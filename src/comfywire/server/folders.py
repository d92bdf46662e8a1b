"""Where the server keeps files: the roots ``input``, ``output`` and ``temp``, and the lists of models."""

from __future__ import annotations

import mimetypes
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from comfywire.server.placeholder_models import PLACEHOLDER_MODELS

__all__ = ["MODEL_FOLDERS", "NEWER_MODEL_FOLDERS", "Folders", "SaveTarget"]

# The order is that of GET /models in 0.3.64 (folder_paths.py, folder_names_and_paths).
MODEL_FOLDERS = (
    "checkpoints",
    "configs",
    "loras",
    "vae",
    "text_encoders",
    "diffusion_models",
    "clip_vision",
    "style_models",
    "embeddings",
    "diffusers",
    "vae_approx",
    "controlnet",
    "gligen",
    "upscale_models",
    "custom_nodes",
    "hypernetworks",
    "photomaker",
    "classifiers",
    "model_patches",
    "audio_encoders",
)
NEWER_MODEL_FOLDERS = (
    *MODEL_FOLDERS[:14],
    "latent_upscale_models",
    "custom_nodes",
    "datasets",
    *MODEL_FOLDERS[15:],
    "background_removal",
    "frame_interpolation",
    "geometry_estimation",
    "optical_flow",
    "detection",
)
ANNOTATIONS = (" [output]", " [input]", " [temp]")


@dataclass(frozen=True, slots=True)
class SaveTarget:
    """Where the next file of a prefix goes."""

    folder: str
    filename: str
    counter: int
    subfolder: str


@dataclass(slots=True)
class _Counted:
    modified_ns: int
    highest: dict[str, int] = field(default_factory=dict)


class Folders:
    """The server's folders below one root; nothing is written outside of it.

    Args:
        root: The folder to keep everything in, or None for a temporary one that :meth:`close` removes.

    """

    def __init__(self, root: Path | None = None) -> None:
        self._is_ours = root is None
        self.root = Path(tempfile.mkdtemp(prefix="comfywire-")) if root is None else root.absolute()
        self.input = str(self.root / "input")
        self.output = str(self.root / "output")
        self.temp = str(self.root / "temp")
        self.models = str(self.root / "models")
        self.user = str(self.root / "user" / "default")
        self._counted: dict[str, _Counted] = {}
        for folder in (self.input, self.output, self.temp):
            Path(folder).mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """Remove ``temp`` as ComfyUI does (main.py, cleanup_temp), and the root if nobody asked for it."""
        shutil.rmtree(self.root if self._is_ours else self.temp, ignore_errors=True)

    def empty(self) -> None:
        """Remove every file that a client made; in a caller's folder only those of ``temp``."""
        for folder in (self.input, self.output, self.temp) if self._is_ours else (self.temp,):
            shutil.rmtree(folder, ignore_errors=True)
            Path(folder).mkdir()
        if self._is_ours:
            shutil.rmtree(self.user, ignore_errors=True)
        self._counted.clear()

    def by_type(self, kind: str) -> str | None:
        """Return the root named ``input``, ``output`` or ``temp``; None for any other word."""
        return {"input": self.input, "output": self.output, "temp": self.temp}.get(kind)

    def annotated(self, name: str) -> tuple[str, str | None]:
        """Split ``x.png [input]`` into the name and its root; the root is None without an annotation."""
        for annotation in ANNOTATIONS:
            if name.endswith(annotation.strip()):
                return name[: -len(annotation)], self.by_type(annotation[2:-1])
        return name, None

    def locate(self, name: str) -> str | None:
        """Return the path of an annotated file name (``input`` by default), None when nothing is there.

        Unlike ComfyUI (folder_paths.py, exists_annotated_filepath, 0.3.64), a name that leads out of the
        root is not found either.
        """
        bare, root = self.annotated(name)
        root = root or self.input
        path = os.path.abspath(os.path.join(root, bare))  # noqa: PTH100, PTH118 - symlinks stay as they are
        return path if self.contains(root, path) and Path(path).exists() else None

    @staticmethod
    def contains(root: str, path: str) -> bool:
        """Tell whether an absolute ``path`` is ``root`` or below it."""
        return os.path.commonpath((root, path)) == root

    def input_files(self) -> list[str]:
        """Return the names of the files directly in ``input``, sorted."""
        return sorted(entry.name for entry in os.scandir(self.input) if entry.is_file())

    def listed(self, kinds: Iterable[str], also: Iterable[str] = ()) -> list[str]:
        """Return what a node's list of files offers.

        Args:
            kinds: ``model:FOLDER``, ``input:`` with ``image``, ``audio`` or ``video``, a suffix, or nothing.
            also: Names that need no file.

        """
        found: list[str] = []
        for kind, _, which in (each.partition(":") for each in kinds):
            if kind == "model":
                found += self.model_files(which)
            else:
                found += [name for name in self.input_files() if _is_kind(name, which)]
        return [*dict.fromkeys(found), *also]

    def model_files(self, folder: str) -> list[str]:
        """Return what GET /models/{folder} lists: files below ``models/folder``; without it, placeholders."""
        root = Path(self.models) / folder
        if not root.is_dir():
            return list(PLACEHOLDER_MODELS.get(folder, []))
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    def next_target(self, prefix: str, root: str, *, size: tuple[int, int]) -> SaveTarget:
        """Return where the next file of ``prefix`` belongs: one past the highest counter that exists.

        Raises:
            Exception: The prefix leads out of the root; the text is ComfyUI's.

        """
        prefix = _fill_in(prefix, size)
        subfolder, filename = os.path.split(os.path.normpath(prefix))
        folder = os.path.join(root, subfolder)  # noqa: PTH118 - normpath has just made it a string
        absolute = os.path.abspath(folder)  # noqa: PTH100
        common = os.path.commonpath((root, absolute))
        if common != root:
            raise Exception(  # noqa: TRY002 - clients see the class's name, and ComfyUI raises just this
                "**** ERROR: Saving image outside the output folder is not allowed."
                f"\n full_output_folder: {absolute}\n         output_dir: {root}"
                f"\n         commonpath: {common}"
            )
        return SaveTarget(folder, filename, self._highest(folder, filename) + 1, subfolder)

    def saved(self, target: SaveTarget, count: int) -> None:
        """Remember that ``count`` files were written from ``target`` on, so that nobody lists the folder."""
        counted = self._counted[target.folder]
        counted.highest[target.filename] = target.counter + count - 1
        counted.modified_ns = os.stat(target.folder).st_mtime_ns  # noqa: PTH116

    def _highest(self, folder: str, filename: str) -> int:
        try:
            modified_ns = os.stat(folder).st_mtime_ns  # noqa: PTH116 - each call costs the worker the GIL
        except FileNotFoundError:
            Path(folder).mkdir(parents=True)
            modified_ns = 0
        counted = self._counted.get(folder)
        if counted is None or counted.modified_ns != modified_ns:
            counted = self._counted[folder] = _Counted(modified_ns)
        if filename not in counted.highest:
            counted.highest[filename] = max(
                (_counter(name, filename) for name in os.listdir(folder)),  # noqa: PTH208
                default=0,
            )
        return counted.highest[filename]


def _is_kind(name: str, which: str) -> bool:
    if which.startswith(".") or not which:
        return name.endswith(which)
    return (mimetypes.guess_type(name, strict=False)[0] or "").startswith(f"{which}/")


def _counter(name: str, filename: str) -> int:
    """Return the counter in ``filename_00012_.png``; 0 for a name that is not of this series."""
    if not name.startswith(f"{filename}_"):
        return 0
    digits = name[len(filename) + 1 :].split("_", maxsplit=1)[0].split(".", maxsplit=1)[0]
    return int(digits) if digits.isdecimal() else 0


def _fill_in(prefix: str, size: tuple[int, int]) -> str:
    if "%" not in prefix:
        return prefix
    now = time.localtime()
    for name, value in {
        "width": str(size[0]),
        "height": str(size[1]),
        "year": f"{now.tm_year}",
        "month": f"{now.tm_mon:02}",
        "day": f"{now.tm_mday:02}",
        "hour": f"{now.tm_hour:02}",
        "minute": f"{now.tm_min:02}",
        "second": f"{now.tm_sec:02}",
    }.items():
        prefix = prefix.replace(f"%{name}%", value)
    return prefix
