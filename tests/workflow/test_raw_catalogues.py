"""A server's raw answer that is handed over with each of many workflows."""

import copy
from typing import Any

from comfywire.workflow import ObjectInfo, Workflow

RAW: dict[str, Any] = {
    "EmptyImage": {
        "input": {"required": {"width": ["INT", {"default": 512}]}},
        "output": ["IMAGE"],
        "output_name": ["IMAGE"],
    }
}
PROMPT = {"1": {"class_type": "EmptyImage", "inputs": {"width": 8}}}


def test_a_raw_catalogue_is_parsed_once_for_many_workflows() -> None:
    raw = copy.deepcopy(RAW)

    first, second = (Workflow.load(PROMPT, object_info=raw).object_info for _ in range(2))

    assert first["EmptyImage"] is second["EmptyImage"]


def test_another_catalogue_is_another_one() -> None:
    raw, other = copy.deepcopy(RAW), copy.deepcopy(RAW)
    other["EmptyImage"]["output_name"] = ["PICTURE"]

    names = [
        Workflow.load(PROMPT, object_info=one).object_info["EmptyImage"].outputs[0].name
        for one in (raw, other, raw)
    ]

    assert names == ["IMAGE", "PICTURE", "IMAGE"]


def test_a_node_type_that_was_replaced_is_parsed_anew() -> None:
    raw = copy.deepcopy(RAW)
    assert "height" not in Workflow.load(PROMPT, object_info=raw).object_info["EmptyImage"].inputs

    raw["EmptyImage"] = {"input": {"required": {"height": ["INT", {}]}}}

    assert "height" in Workflow.load(PROMPT, object_info=raw).object_info["EmptyImage"].inputs


def test_a_node_type_that_was_removed_is_gone() -> None:
    raw = copy.deepcopy(RAW)
    assert "EmptyImage" in ObjectInfo.of(raw)
    assert ObjectInfo.of(raw)["EmptyImage"].outputs[0].type == "IMAGE"

    del raw["EmptyImage"]

    assert ObjectInfo.of(raw).get("EmptyImage") is None
