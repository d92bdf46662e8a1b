"""Stand-ins for node classes that this server has not: made from what a real server's /object_info says."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from comfywire.server.execution.dynamic_inputs import class_inputs
from comfywire.server.execution.node_host import NodeHost
from comfywire.server.nodes.declared import declared, plain_hidden
from comfywire.server.nodes.files import PreviewImage
from comfywire.server.nodes.placeholder import Drawing
from comfywire.server.nodes.sampling import Guider
from comfywire.server.nodes.simulated import Simulated
from comfywire.server.nodes.vector_files import SVG
from comfywire.server.nodes.videos import Components

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from comfywire.server.graph import NodeClass

__all__ = ["StandIn", "stand_ins"]

SIDE = 256
RATE = 44100
STEPS = 4
UPLOADS = {"image_upload": "image", "audio_upload": "audio", "video_upload": "video", "file_upload": "file"}
CONSTANTS: dict[str, Any] = {"INT": 0, "FLOAT": 0.0, "STRING": "", "BOOLEAN": False}


class StandIn:
    """SIMULATED: takes what the real node takes, passes on what it can, and makes up the rest.

    An output gets an input of its type, else a placeholder picture, silence, an empty mask or latent, a
    default, or a value that only says what it stands for. An output node shows its first picture.
    """

    FUNCTION = "stand_in"
    ENTRY: ClassVar[dict[str, Any]]
    host: ClassVar[NodeHost]

    @classmethod
    def entry(cls) -> dict[str, Any]:
        """Return the entry in /object_info: the real one's."""
        return cls.ENTRY

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:  # noqa: N802 - ComfyUI's name
        """Return the inputs as they were recorded."""
        return {**cls.ENTRY["input"], "hidden": plain_hidden(cls.ENTRY)}

    def stand_in(self, **inputs: Any) -> Any:
        """Return a result for each slot, and show a picture if this is an output node."""
        if self.ENTRY.get("is_input_list"):
            inputs = {name: values[0] for name, values in inputs.items() if values}
        waiting = [(kind, inputs[name]) for name, kind in self._types(inputs).items()]
        pictures = next((value for kind, value in waiting if kind == "IMAGE"), None)
        results = tuple(
            [result] if is_list else result
            for result, is_list in zip(self._results(waiting), self.OUTPUT_IS_LIST, strict=True)
        )
        if not self.ENTRY["output_node"]:
            return results
        if pictures is None:
            return {"ui": {"text": [f"{self.ENTRY['name']} is simulated"]}, "result": results}
        preview = self._preview()
        return {**preview.save_images(pictures), "result": results}

    OUTPUT_IS_LIST: ClassVar[tuple[bool, ...]] = ()

    def _preview(self) -> Any:
        preview = declared("PreviewImage", PreviewImage, is_new=self.host.is_new)
        assert preview is not None
        return type("PreviewImage", (preview,), {"host": self.host})()

    def _types(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the type of each input that was given."""
        known = class_inputs(type(self), inputs)
        specs = {**known.get("required", {}), **known.get("optional", {})}
        return {name: specs[name][0] for name in inputs if name in specs and inputs[name] is not None}

    def _results(self, waiting: list[tuple[Any, Any]]) -> Iterator[Any]:
        """Give each output an input of its type, each once, and make up the rest."""
        for kind in self.ENTRY["output"]:
            place = next((place for place, (found, _) in enumerate(waiting) if found == kind), None)
            yield self._made_up(kind) if place is None else waiting.pop(place)[1]

    def _made_up(self, kind: Any) -> Any:
        if isinstance(kind, list):
            return kind[0] if kind else ""
        name = self.ENTRY["name"]
        match kind:
            case "IMAGE":
                return np.asarray(Drawing(text=name).picture((SIDE, SIDE)), dtype=np.float32)[
                    None
                ] / np.float32(255)
            case "MASK":
                return np.zeros((1, SIDE, SIDE), dtype=np.float32)
            case "LATENT":
                return {"samples": np.zeros((1, 4, SIDE // 8, SIDE // 8), dtype=np.float32)}
            case "AUDIO":
                return {"waveform": np.zeros((1, 2, RATE), dtype=np.float32), "sample_rate": RATE}
            case "VIDEO":
                return Components(self._made_up("IMAGE"), None, Fraction(1))
            case "CONDITIONING":
                return [(name, {})]
            case "SIGMAS":
                return np.linspace(1, 0, STEPS + 1, dtype=np.float32)
            case "NOISE":
                return 0
            case "GUIDER":
                return Guider(Simulated("MODEL", name), [(name, {})])
            case "SVG":
                return SVG.saying(name)
        return CONSTANTS.get(kind, Simulated(str(kind), name))


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
        "OUTPUT_IS_LIST": tuple(entry.get("output_is_list", [False] * len(entry["output"]))),
        "INPUT_IS_LIST": entry.get("is_input_list", False),
        "CATEGORY": entry.get("category", ""),
    }
    for section in ("required", "optional"):
        for field, spec in entry["input"].get(section, {}).items():
            options = spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
            word = next((UPLOADS[key] for key in UPLOADS if options.get(key)), None)
            if word is not None:
                return type(name, (UploadingStandIn,), {**attributes, "FIELD": field, "WORD": word})
    return type(name, (StandIn,), attributes)
