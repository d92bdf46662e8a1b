"""Nodes that show 3D models as ComfyUI's own do: the name of the file in a bare text under ``result``."""

# ruff: noqa: N802 - INPUT_TYPES is ComfyUI's name

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar

from comfywire.server.execution.node_host import NodeHost

__all__ = ["CRATE", "NODES", "crate"]

CRATE = b"o tri\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
STATE = {"image": "", "camera_info": None}


class Node:
    """One in ComfyUI's form; subclasses say what is shown."""

    RETURN_TYPES: tuple[str, ...] = ()
    FUNCTION = "process"
    OUTPUT_NODE = True
    host: ClassVar[NodeHost]

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"model_3d": ("FILE_3D",), "viewport_state": ("LOAD_3D", {})}}

    def keep(self, model: str, root: str, name: str) -> str:
        """Copy the model into a root, as ``name`` with the model's suffix."""
        place = Path(self.host.folders.by_type(root) or "", name + Path(model).suffix)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model, place)
        return name + Path(model).suffix

    def shown(self, name: str, viewport_state: Any) -> dict[str, Any]:
        """The list of PreviewUI3DAdvanced (comfy_api/latest/_ui.py, 0.33.0)."""
        camera, model = viewport_state.get("camera_info"), viewport_state.get("model_3d_info", [])
        return {"ui": {"result": [name, camera, model]}}


class Load3DAdvanced(Node):
    RETURN_TYPES = ("FILE_3D",)
    OUTPUT_NODE = False

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"model_file": ("STRING", {}), "viewport_state": ("LOAD_3D", {})}}

    def process(self, model_file: str, viewport_state: Any) -> tuple[str]:
        return (str(Path(self.host.folders.by_type("input") or "", model_file)),)


class Save3DAdvanced(Node):
    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        known = super().INPUT_TYPES()
        return {"required": {**known["required"], "filename_prefix": ("STRING", {})}}

    def process(self, model_3d: str, viewport_state: Any, filename_prefix: str) -> dict[str, Any]:
        return self.shown(self.keep(model_3d, "output", f"{filename_prefix}_00001"), viewport_state)


class SavePointCloud(Save3DAdvanced):
    pass


class SaveGaussianSplat(Save3DAdvanced):
    """As versions after 0.33.0 do it: listed a second time, as a file."""

    def process(self, model_3d: str, viewport_state: Any, filename_prefix: str) -> dict[str, Any]:
        answer = super().process(model_3d, viewport_state, filename_prefix)
        folder, _, name = answer["ui"]["result"][0].rpartition("/")
        answer["ui"]["3d"] = [{"filename": name, "subfolder": folder, "type": "output"}]
        return answer


class Preview3DAdvanced(Node):
    def process(self, model_3d: str, viewport_state: Any) -> dict[str, Any]:
        return self.shown(self.keep(model_3d, "temp", f"{type(self).__name__.lower()}_1f"), viewport_state)


class PreviewGaussianSplat(Preview3DAdvanced):
    pass


class PreviewPointCloud(Preview3DAdvanced):
    pass


class Preview3D(Node):
    """With a model it saves, with a text it shows that text (nodes_load_3d.py, 0.33.0)."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"model_file": ("STRING,FILE_3D", {})}}

    def process(self, model_file: str) -> dict[str, Any]:
        is_model = Path(model_file).is_absolute() and Path(model_file).is_file()
        name = self.keep(model_file, "output", "preview3d_1f") if is_model else model_file
        return {"ui": {"result": [name, None, None]}}


NODES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        Load3DAdvanced,
        Save3DAdvanced,
        SavePointCloud,
        SaveGaussianSplat,
        Preview3DAdvanced,
        PreviewGaussianSplat,
        PreviewPointCloud,
        Preview3D,
    )
}


def crate(class_type: str, *, suffix: str = "obj", **inputs: Any) -> dict[str, Any]:
    """A workflow that loads ``3d/crate.SUFFIX`` and shows it by one node."""
    load = {"model_file": f"3d/crate.{suffix}", "viewport_state": STATE}
    return {
        "1": {"class_type": "Load3DAdvanced", "inputs": load},
        "2": {
            "class_type": class_type,
            "inputs": {"model_3d": ["1", 0], "viewport_state": STATE, **inputs},
        },
    }
