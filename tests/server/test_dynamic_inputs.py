from __future__ import annotations

from typing import Any

import pytest
from tests.server.wire import Wire

from comfywire.server import Server
from comfywire.server.execution.dynamic_inputs import class_inputs
from comfywire.server.nodes.catalogue import built_in
from comfywire.server.nodes.stubbed import stand_ins

NEWER = built_in(is_new=True)


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def names(class_type: str, **given: Any) -> dict[str, list[str]]:
    found = class_inputs(NEWER[class_type], given)
    return {section: list(specs) for section, specs in found.items() if section != "hidden"}


def test_a_list_that_grows_needs_its_first_inputs():
    found = names("BatchImagesNode")

    assert found["required"] == ["images.image0"]
    assert found["optional"][:2] == ["images.image1", "images.image2"]
    assert len(found["optional"]) == 49


def test_a_list_of_letters_may_be_empty():
    assert names("StringFormat")["required"] == ["f_string"]
    assert names("StringFormat")["optional"][:2] == ["values.a", "values.b"]


def test_a_choice_asks_for_what_belongs_to_it():
    given = {"format": "mp4", "format.codec": "h264", "format.codec.encoding": "re-encode"}

    assert names("SaveVideo", **given) == {
        "required": [
            "video",
            "filename_prefix",
            "format.codec.encoding.crf",
            "format.codec.encoding.color_space",
            "format.codec",
            "format",
        ],
        "optional": ["format.codec.encoding"],
    }


@pytest.mark.parametrize("given", [{}, {"format": "none such"}], ids=["missing", "unknown"])
def test_a_choice_that_is_missing_or_unknown_is_not_looked_at(given):
    assert names("SaveVideo", **given)["required"] == ["video", "filename_prefix"]


def test_inputs_that_are_not_dynamic_are_the_classes_own():
    assert class_inputs(NEWER["KSampler"], {}) is NEWER["KSampler"].INPUT_TYPES()


async def answer(prompt: dict[str, Any], classes: dict[str, Any] | None = None) -> Any:
    """The outputs of a prompt, or the errors of its nodes."""
    async with Server(profile="0.33.0", nodes=classes or {}) as server, Wire(server.url) as wire:
        status, reply = await wire.post("/prompt", {"prompt": prompt})
        if status != 200:
            errors = reply["node_errors"].items()
            return {key: [(e["type"], e["details"]) for e in entry["errors"]] for key, entry in errors}
        await server.until_done(reply["prompt_id"])
        return (await wire.history(reply["prompt_id"]))["outputs"]


async def test_a_formula_gets_numbers_and_links():
    prompt = {
        "1": node("PrimitiveInt", value=4),
        "2": node("ComfyMathExpression", expression="a * b", **{"values.a": ["1", 0], "values.b": 2.5}),
        "3": node("PreviewAny", source=["2", 0]),
    }

    assert await answer(prompt) == {"3": {"text": ["10.0"]}}


async def test_what_a_list_or_a_choice_needs_is_validated():
    prompt = {
        "1": node("ComfyMathExpression", expression="1"),
        "2": node("PreviewAny", source=["1", 0]),
        "3": node("EmptyAudio", duration=1.0, sample_rate=8000, channels=1),
        "4": node(
            "SaveAudioAdvanced", audio=["3", 0], filename_prefix="x", format="mp3", **{"format.quality": "V9"}
        ),
    }

    assert await answer(prompt) == {
        "1": [("required_input_missing", "values.a")],
        "4": [("value_not_in_list", "format.quality: 'V9' not in ['V0', '128k', '320k']")],
    }


async def test_a_switch_takes_any_type_and_runs_one_side_only():
    prompt = {
        "1": node("StubImage", content="WHITE", height=8, width=8, batch_size=1),
        "2": node("TestSyncError", value=["1", 0]),
        "3": node("ComfySwitchNode", switch=True, on_true=["1", 0], on_false=["2", 0]),
        "4": node("PreviewImage", images=["3", 0]),
    }

    assert len((await answer(prompt))["4"]["images"]) == 1


async def test_a_list_is_made_of_values():
    prompt = {
        "1": node("PrimitiveString", value="a"),
        "2": node("CreateList", **{"inputs.input0": ["1", 0], "inputs.input1": ["1", 0]}),
        "3": node("PreviewAny", source=["2", 0]),
    }

    assert await answer(prompt) == {"3": {"text": ["a", "a"]}}


async def test_a_stand_in_has_dynamic_inputs_too():
    entry = {**NEWER["BatchImagesNode"].entry(), "name": "BatchElsewhere"}
    prompt = {
        "1": node("BatchElsewhere"),
        "2": node("PreviewImage", images=["1", 0]),
    }

    assert await answer(prompt, stand_ins({"BatchElsewhere": entry})) == {
        "1": [("required_input_missing", "images.image0")]
    }


@pytest.mark.parametrize(("class_type", "kind"), [("KSampler", "tuple"), ("StringLength", "list")])
async def test_a_slot_that_is_not_there_is_told_as_the_schema_of_the_class_tells_it(class_type, kind):
    prompt = {"1": node(class_type), "2": node("PreviewAny", source=["1", 9])}

    assert await answer(prompt) == {"2": [("exception_during_validation", f"{kind} index out of range")]}
