"""Which front end's export to reproduce: two releases differ in what they send for the same file.

``FE_1_27`` is what ComfyUI 0.3.64 ships, ``FE_1_49`` what 0.33.0 ships, ``FE_1_58`` what newer ones do;
editor-format.md, par. 14 has the differences in short.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FE_1_27", "FE_1_49", "FE_1_58", "Profile", "profile_for"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WIDGETS = _words(
    "INT FLOAT BOOLEAN STRING COMBO MARKDOWN COLOR TEXTAREA IMAGEUPLOAD IMAGECOMPARE CHART GALLERIA AUDIO_UI "
    "AUDIOUPLOAD AUDIO_RECORD WEBCAM LOAD_3D PREVIEW_3D"
)
_SAVE_NODES = _words(
    "SaveImage SaveAnimatedWEBP SaveWEBM SaveAudio SaveGLB SaveAnimatedPNG CLIPSave VAESave ModelSave "
    "LoraSave SaveLatent"
)
_AUDIO_NODES = _words("LoadAudio SaveAudio PreviewAudio SaveAudioMP3 SaveAudioOpus")


@dataclass(frozen=True)
class Profile:
    """The behaviour of one release of the front end."""

    name: str
    widget_types: frozenset[str]
    """Types that get a widget, and with it a value of their own."""
    save_nodes: frozenset[str]
    """Nodes whose ``filename_prefix`` has its ``%...%`` replaced (par. 11)."""
    audio_nodes: frozenset[str]
    """Nodes with an ``audioUI`` widget."""
    preview_nodes: frozenset[str]
    """3D nodes whose viewer is an input (``image`` or ``viewport_state``)."""
    renamed: Mapping[str, str]
    """Node types that were renamed, old name to new."""
    is_modern: bool
    """Everything else: 1.49's rules (dynamic inputs, renumbering, proxyWidgets, muted hosts) or 1.27's."""
    texts_are_text: bool = True
    """Whether a number in a text of several lines becomes its spelling, as in an HTML textarea."""
    text_inputs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Inputs of node packs' nodes whose ``%...%`` is replaced, by class_type."""


FE_1_27 = Profile(
    name="1.27.10 (ComfyUI 0.3.64)",
    widget_types=_WIDGETS
    | _words("FILEUPLOAD TREESELECT MULTISELECT SELECTBUTTON LOAD_3D_ANIMATION PREVIEW_3D_ANIMATION"),
    save_nodes=_SAVE_NODES,
    audio_nodes=_AUDIO_NODES,
    preview_nodes=_words("Preview3D SaveGLB Preview3DAnimation"),
    renamed={
        "T2IAdapterLoader": "ControlNetLoader",
        "ConditioningAverage ": "ConditioningAverage",
        "SDV_img2vid_Conditioning": "SVD_img2vid_Conditioning",
    },
    is_modern=False,
)

FE_1_49 = Profile(
    name="1.49.6 (ComfyUI 0.33.0)",
    widget_types=_WIDGETS
    | _words(
        "BOUNDING_BOX BOUNDING_BOXES COLORS CURVE RANGE PAINTER COMPOSITOR VIDEO_EDIT LOAD_3D_ADVANCED "
        "COMFY_DYNAMICCOMBO_V3"
    ),
    save_nodes=_SAVE_NODES
    | _words(
        "SaveImageAdvanced SaveSVGNode SaveVideo SaveAudioMP3 SaveAudioOpus SaveAudioAdvanced Save3DAdvanced "
        "SaveGaussianSplat SavePointCloud"
    ),
    audio_nodes=_AUDIO_NODES | {"SaveAudioAdvanced"},
    preview_nodes=_words("Preview3D SaveGLB"),
    renamed={},
    is_modern=True,
    texts_are_text=False,
)

FE_1_58 = replace(FE_1_49, name="1.58.1 (after ComfyUI 0.33)", texts_are_text=True)

_NEWEST_OLD = (0, 3, 64)
_NEWEST_MIDDLE = (0, 33)


def profile_for(version: str | None = None, object_info: Mapping[str, Any] | None = None) -> Profile:
    """Return the profile of a server, by its version, else by the form of its ``object_info``.

    Servers after 0.3.64 are served by the newer rules, which also suit files of all ages better: the older
    ones are for reproducing what a 0.3.64 really sends.

    Args:
        version: ``system.comfyui_version`` of ``/system_stats``; unreadable ones count as not given.
        object_info: The server's answer, raw.

    """
    numbers = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version or "")
    if numbers:
        said = tuple(map(int, numbers.groups()))
        if said <= _NEWEST_OLD:
            return FE_1_27
        return FE_1_49 if said[:2] <= _NEWEST_MIDDLE else FE_1_58
    entry = next((entry for entry in (object_info or {}).values() if isinstance(entry, dict)), None)
    # Every entry of 0.33.0 says `search_aliases` (server.py, node_info); none of 0.3.64 does.
    return FE_1_27 if entry is not None and "search_aliases" not in entry else FE_1_49
