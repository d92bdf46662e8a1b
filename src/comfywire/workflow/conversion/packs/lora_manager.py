"""ComfyUI-Lora-Manager: texts that complete names, each with a hidden widget, and lists of LoRAs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from comfywire.workflow.conversion.packs.pack import Pack

if TYPE_CHECKING:
    from comfywire.workflow.conversion.packs.saved import SavedNode

__all__ = ["PACK"]

_TAG = re.compile(r"<lora:([^:<>]+):[^<>]*>")


def completed_texts(node: SavedNode) -> Mapping[str, Any] | None:
    """Return the values without those of the hidden widgets, which newer versions put before each text."""
    values = node.widgets_values
    if isinstance(values, list):
        named = node.pour([value for value in values if not _is_hidden(value)])
        return {**named, **_agreed(named)}
    return None


def _is_hidden(value: Any) -> bool:
    return isinstance(value, Mapping) and "textWidgetName" in value


def _agreed(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return LoRAs with all their fields, and the text with the strengths that the list has."""
    listed, text = values.get("loras"), values.get("text")
    if not isinstance(listed, list):
        return {}
    loras = [_complete(lora) for lora in listed if isinstance(lora, Mapping)]
    by_name = {lora.get("name"): lora for lora in loras}

    def tag(match: re.Match[str]) -> str:
        lora = by_name.get(match[1])
        return match[0] if lora is None else _written(lora)

    changed: dict[str, Any] = {"loras": loras}
    if isinstance(text, str):
        changed["text"] = _TAG.sub(tag, text)
    return changed


def _complete(lora: Mapping[str, Any]) -> dict[str, Any]:
    added = {"active": True, "expanded": False, "clipStrength": lora.get("strength")}
    return {**added, "selected": False, "locked": False, **lora}


def _written(lora: Mapping[str, Any]) -> str:
    strengths = [lora.get("strength"), lora.get("clipStrength")]
    numbers = [float(one) for one in strengths if isinstance(one, int | float | str) and one != ""]
    shown = numbers if len(set(numbers)) > 1 else numbers[:1]
    return ":".join([f"<lora:{lora['name']}", *(f"{number:.2f}" for number in shown)]) + ">"


def toggles(node: SavedNode) -> Mapping[str, Any] | None:
    """Return the words that are switched on and off, and their text: both stand behind the definition's."""
    values = node.widgets_values
    if not isinstance(values, list):
        return None
    words, text, *_ = [*values[len(node.values) :], None, None]
    return {
        "toggle_trigger_words": words if isinstance(words, list) else [],
        "orinalMessage": text if isinstance(text, str) else "",
    }


PACK = Pack(
    "comfyui-lora-manager",
    widget_types={
        "AUTOCOMPLETE_TEXT_LORAS",
        "AUTOCOMPLETE_TEXT_PROMPT",
        "CYCLER_CONFIG",
        "LORAS",
        "LORA_POOL_CONFIG",
        "RANDOMIZER_CONFIG",
    },
    nodes={
        "Lora Loader (LoraManager)": completed_texts,
        "Lora Stacker (LoraManager)": completed_texts,
        "Prompt (LoraManager)": completed_texts,
        "Text (LoraManager)": completed_texts,
        "WanVideo Lora Select (LoraManager)": completed_texts,
        "TriggerWord Toggle (LoraManager)": toggles,
    },
)
