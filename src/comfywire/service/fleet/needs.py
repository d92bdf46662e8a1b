"""What a server must have to run a prompt: node types, model files, tags. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["MODEL_SUFFIXES", "need_of", "requirement_of"]

MODEL_SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx", ".engine", ".pkl")
"""An input whose text ends so names a model file, which some servers have and others lack."""


def requirement_of(prompt: Mapping[str, Any], *, tags: Iterable[str] = ()) -> dict[str, Any]:
    """Return ``{"class_types": [...], "models": {class_type: {input: [file, ...]}}, "tags": [...]}``, sorted.

    Prompts that need the same have equal requirements, whatever their texts and seeds.
    """
    nodes = [node for node in prompt.values() if isinstance(node, Mapping)]
    class_types = {node["class_type"] for node in nodes if isinstance(node.get("class_type"), str)}
    models: dict[str, dict[str, set[str]]] = {}
    for node in nodes:
        inputs = node.get("inputs")
        for name, value in inputs.items() if isinstance(inputs, Mapping) else ():
            if isinstance(value, str) and value.lower().endswith(MODEL_SUFFIXES) and "\n" not in value:
                models.setdefault(str(node.get("class_type")), {}).setdefault(name, set()).add(value)
    return {
        "class_types": sorted(class_types),
        "models": {
            class_type: {name: sorted(values) for name, values in sorted(inputs.items())}
            for class_type, inputs in sorted(models.items())
        },
        "tags": sorted(set(tags)),
    }


def need_of(requirement: Mapping[str, Any]) -> str:
    """Return the name of the queue in which prompts of this requirement wait."""
    text = json.dumps(requirement, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
