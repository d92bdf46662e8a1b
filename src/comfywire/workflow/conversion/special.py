"""Node types for which the editor does more than their definition says (editor-format.md, par. 3 and 5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from comfywire.workflow.conversion.layout import ABSENT, Layout, WidgetSpec
from comfywire.workflow.conversion.widgets import lay_out
from comfywire.workflow.object_info import Input

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from comfywire.workflow.object_info import NodeType
    from comfywire.workflow.profiles import Profile

__all__ = ["OPTION", "VIEWER_TYPES", "editor_inputs", "layout_of", "option_widget", "scene"]

OPTION = "OPTION"
VIEWER_TYPES = frozenset({"LOAD_3D", "LOAD_3D_ANIMATION", "LOAD_3D_ADVANCED"})
_UPLOAD_FLAGS = ("image_upload", "video_upload", "animated_image_upload")

# Load3D's buttons forget to say that they are not serialized: they take places and are sent.
_LOAD_3D_BUTTONS = (
    WidgetSpec("upload 3d model", "BUTTON", "upload3dmodel"),
    WidgetSpec("upload extra resources", "BUTTON", "uploadExtraResources"),
    WidgetSpec("clear", "BUTTON", "clear"),
)
# Where 1.49's camera stands before anybody has moved it.
_UNTOUCHED_CAMERA: Mapping[str, Any] = {
    "position": {"x": 10, "y": 10, "z": 10.000000000000002},
    "target": {"x": 0, "y": 0, "z": 0},
    "zoom": 1,
    "cameraType": "perspective",
    "quaternion": {
        "x": -0.2798481423331213,
        "y": 0.3647051996310008,
        "z": 0.11591689595929511,
        "w": 0.8804762392171493,
    },
    "fov": 35,
    "aspect": 1,
    "near": 0.01,
    "far": 10000,
    "frustum": {"left": -5, "right": 5, "top": 5, "bottom": -5},
}


def layout_of(node_type: NodeType, profile: Profile, *, also: frozenset[str] = frozenset()) -> Layout:
    """Return the sockets and widgets of ``node_type`` as a new node has them.

    Args:
        node_type: What the server says of it.
        profile: Whose rules hold.
        also: Inputs to draw as widgets, whatever their type.

    """
    layout = lay_out(editor_inputs(node_type, profile), profile, also=also)
    widgets = tuple(_adapted(layout.widgets, node_type.class_type, profile))
    if node_type.is_names_only:
        widgets = tuple(map(_without_default, widgets))
    return replace(layout, widgets=widgets, outputs=tuple(made.type for made in node_type.outputs))


def _without_default(spec: WidgetSpec) -> WidgetSpec:
    is_known = spec.input is None or spec.input.default is not None or spec.variants is not None
    return spec if is_known else replace(spec, default=ABSENT, has_limits=False)


def scene(class_type: str, properties: Any, *, modern: bool) -> dict[str, Any]:
    """Return what a 3D viewer sends, with the saved camera, without the pictures that a browser renders."""
    config = properties.get("Camera Config") if isinstance(properties, dict) else None
    state = config.get("state") if isinstance(config, dict) else None
    camera = {**_UNTOUCHED_CAMERA, **state} if isinstance(state, dict) else dict(_UNTOUCHED_CAMERA)
    pictures = {"image": "", "mask": "", "normal": ""}
    if modern:
        return {**pictures, "camera_info": camera, "recording": "", "model_3d_info": []}
    lineart = {"lineart": ""} if class_type == "Load3D" else {}
    return {**pictures, **lineart, "camera_info": camera, "recording": ""}


def option_widget(number: int) -> WidgetSpec:
    """Return the ``number``-th option of a CustomCombo."""
    return WidgetSpec(f"option{number}", OPTION, "")


def editor_inputs(node_type: NodeType, profile: Profile) -> Iterator[Input]:
    """Yield the inputs of ``node_type``, with those that the editor adds to the server's."""
    for made in node_type.inputs.values():
        if made.name == "viewport_state" and node_type.class_type == "Load3DAdvanced" and profile.is_modern:
            yield replace(made, type="LOAD_3D_ADVANCED")
        else:
            yield made
    # What extensions add in the browser comes last, since the server's input_order lacks it.
    if any(_takes_picture(made) for made in node_type.inputs.values()):
        yield Input("upload", "IMAGEUPLOAD")
    if node_type.class_type in profile.audio_nodes:
        yield Input("audioUI", "AUDIO_UI")
    audio = node_type.inputs.get("audio")
    if audio is not None and audio.required and audio.options.get("audio_upload"):
        yield Input("upload", "AUDIOUPLOAD")
    if node_type.class_type in profile.preview_nodes:
        yield Input("image", "PREVIEW_3D")


def _takes_picture(made: Input) -> bool:
    if not made.required or made.type != "COMBO":
        return False
    return any(made.options.get(flag) is True for flag in _UPLOAD_FLAGS)


def _adapted(widgets: Sequence[WidgetSpec], class_type: str, profile: Profile) -> Iterator[WidgetSpec]:
    for spec in widgets:
        if spec.type in VIEWER_TYPES and class_type in {"Load3D", "Load3DAnimation"}:
            yield from _LOAD_3D_BUTTONS
        yield _adapted_widget(spec, class_type, profile)
    yield from _added(class_type, profile)


def _adapted_widget(spec: WidgetSpec, class_type: str, profile: Profile) -> WidgetSpec:
    if spec.type in {"IMAGEUPLOAD", "AUDIOUPLOAD"}:
        return replace(spec, default="image", is_sent=False)
    if spec.type == "AUDIO_UI":
        return replace(spec, default="", takes_saved=False, is_sent=not profile.is_modern)
    if spec.name == "filename_prefix" and class_type in profile.save_nodes:
        return replace(spec, replaces_text=True)
    if spec.name in profile.text_inputs.get(class_type, ()):
        return replace(spec, replaces_text=True)
    if not profile.is_modern and spec.input is not None and _takes_picture(spec.input):
        return replace(spec, picks_file=True)
    return spec


def _added(class_type: str, profile: Profile) -> Iterable[WidgetSpec]:
    if class_type == "WebcamCapture":
        return [WidgetSpec("capture", "BUTTON", is_sent=False)]
    if class_type == "PreviewAny" and not profile.is_modern:
        return [WidgetSpec("preview", "PREVIEW", "", takes_saved=False)]
    if class_type == "CustomCombo" and profile.is_modern:
        return [WidgetSpec("index", "INDEX"), option_widget(1)]
    return []
