"""Stand-ins for node classes that this server has not: made from what a real server's /object_info says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from comfywire.server.node_host import NodeHost
from comfywire.server.nodes.files import PreviewImage
from comfywire.server.nodes.placeholder import Drawing
from comfywire.server.nodes.text_to_image import Simulated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfywire.server.graph import NodeClass

__all__ = ["StandIn", "stand_ins"]

SIDE = 256
UPLOADS = {"image_upload": "image", "audio_upload": "audio", "video_upload": "video", "file_upload": "file"}
CONSTANTS: dict[str, Any] = {"INT": 0, "FLOAT": 0.0, "STRING": "", "BOOLEAN": False}


class StandIn:
    """SIMULATED: takes what the real node takes, passes on what it can, and makes up the rest.

    An output gets the first input of its type, else a placeholder picture, an empty mask or latent, a
    default, or a value that only says what it stands for. An output node shows its first picture.
    """

    FUNCTION = "stand_in"
    ENTRY: ClassVar[dict[str, Any]]
    host: ClassVar[NodeHost]

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:  # noqa: N802 - ComfyUI's name
        """Return the inputs as they were recorded."""
        inputs: dict[str, dict[str, Any]] = cls.ENTRY["input"]
        return inputs

    def stand_in(self, **inputs: Any) -> Any:
        """Return a result for each slot, and show a picture if this is an output node."""
        types = {name: spec[0] for name, spec in self._specs() if name in inputs}
        results = tuple(self._result(kind, types, inputs) for kind in self.ENTRY["output"])
        if not self.ENTRY["output_node"]:
            return results
        pictures = next((inputs[name] for name, kind in types.items() if kind == "IMAGE"), None)
        if pictures is None:
            return {"ui": {"text": [f"{self.ENTRY['name']} is simulated"]}, "result": results}
        preview = type("PreviewImage", (PreviewImage,), {"host": self.host})()
        return {**preview.save_images(pictures), "result": results}

    def _specs(self) -> list[tuple[str, Any]]:
        known = self.ENTRY["input"]
        return [*known.get("required", {}).items(), *known.get("optional", {}).items()]

    def _result(self, kind: Any, types: dict[str, Any], inputs: dict[str, Any]) -> Any:
        for name, input_kind in types.items():
            if input_kind == kind and inputs[name] is not None:
                return inputs[name]
        if isinstance(kind, list):
            return kind[0] if kind else ""
        if kind == "IMAGE":
            picture = Drawing(text=self.ENTRY["name"]).picture((SIDE, SIDE))
            return np.asarray(picture, dtype=np.float32)[None] / np.float32(255)
        if kind == "MASK":
            return np.zeros((1, SIDE, SIDE), dtype=np.float32)
        if kind == "LATENT":
            return {"samples": np.zeros((1, 4, SIDE // 8, SIDE // 8), dtype=np.float32)}
        return CONSTANTS.get(kind, Simulated(str(kind), self.ENTRY["name"]))


class UploadingStandIn(StandIn):
    """A stand-in for a loader: its file has to be there, on the list or not."""

    FIELD: ClassVar[str]
    WORD: ClassVar[str]

    @classmethod
    def VALIDATE_INPUTS(cls, **inputs: Any) -> str | bool:  # noqa: N802 - ComfyUI's name
        """Check that the file is there."""
        name = inputs.get(cls.FIELD)
        if not isinstance(name, str) or cls.host.folders.locate(name) is not None:
            return True
        return f"Invalid {cls.WORD} file: {name}"


def stand_ins(object_info: Mapping[str, dict[str, Any]]) -> dict[str, NodeClass]:
    """Return a class for every entry of an object_info."""
    return {name: _stand_in(name, entry) for name, entry in object_info.items()}


def _stand_in(name: str, entry: dict[str, Any]) -> NodeClass:
    attributes = {
        "ENTRY": entry,
        "RETURN_TYPES": tuple(entry["output"]),
        "OUTPUT_NODE": entry["output_node"],
        "OUTPUT_IS_LIST": (False,) * len(entry["output"]),
        "CATEGORY": entry.get("category", ""),
    }
    for section in ("required", "optional"):
        for field, spec in entry["input"].get(section, {}).items():
            options = spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
            word = next((UPLOADS[key] for key in UPLOADS if options.get(key)), None)
            if word is not None:
                return type(name, (UploadingStandIn,), {**attributes, "FIELD": field, "WORD": word})
    return type(name, (StandIn,), attributes)
