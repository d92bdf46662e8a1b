"""What the validator says of wrong prompts."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.conformance.conftest import Place
from tests.conformance.graphs import Prompt, node
from tests.server.wire import Wire

RIGHT: Prompt = {
    "1": node("EmptyImage", width=8, height=8, batch_size=1, color=0),
    "2": node("ImageScale", image=["1", 0], upscale_method="area", width=4, height=4, crop="disabled"),
    "3": node("PreviewImage", images=["2", 0]),
}
METHODS = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
FAILED = "prompt_outputs_failed_validation"
NO_OUTPUTS = ("prompt_no_outputs", "Prompt has no outputs")
Told = tuple[str, str, str]  # type, message, details


@dataclass
class Mistake:
    """A prompt that differs from ``RIGHT``, and what is told of it."""

    name: str
    make: Callable[[Prompt], object]
    nodes: dict[str, list[Told]] = field(default_factory=dict)
    error: tuple[str, str] = (FAILED, "Prompt outputs failed validation")
    details: str = ""
    new: dict[str, list[Told]] | None = None

    def __str__(self) -> str:
        return self.name


def put(node_id: str, **inputs: Any) -> Callable[[Prompt], object]:
    return lambda prompt: prompt[node_id]["inputs"].update(inputs)


def take(node_id: str, *names: str) -> Callable[[Prompt], object]:
    return lambda prompt: [prompt[node_id]["inputs"].pop(name) for name in names]


def missing(name: str) -> Told:
    return ("required_input_missing", "Required input is missing", name)


def mismatch(name: str, received: str, wanted: str) -> Told:
    return (
        "return_type_mismatch",
        "Return type mismatch between linked nodes",
        f"{name}, received_type({received}) mismatch input_type({wanted})",
    )


def unreadable(name: str, kind: str, value: str, why: str) -> Told:
    message = f"Failed to convert an input value to a {kind} value"
    return ("invalid_input_type", message, f"{name}, {value}, {why}")


def unlisted(name: str, value: str, choices: list[str]) -> Told:
    return ("value_not_in_list", "Value not in list", f"{name}: {value} not in {choices}")


def smaller(name: str, value: object, least: object) -> Told:
    return ("value_smaller_than_min", f"Value {value} smaller than min of {least}", name)


def bigger(name: str, value: object, most: object) -> Told:
    return ("value_bigger_than_max", f"Value {value} bigger than max of {most}", name)


def bad_link(name: str) -> Told:
    message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
    return ("bad_linked_input", message, name)


def raised(details: str) -> Told:
    return ("exception_during_validation", "Exception when validating node", details)


def raised_inside(details: str) -> Told:
    return ("exception_during_inner_validation", "Exception when validating inner node", details)


INT = "int() argument must be a string, a bytes-like object or a real number, not"
MISTAKES = [
    Mistake("missing", take("1", "width"), {"1": [missing("width")]}),
    Mistake(
        "missing-on-the-output",
        take("3", "images"),
        {"3": [missing("images")]},
        details="Required input is missing: images",
    ),
    Mistake("two-missing", take("1", "width", "color"), {"1": [missing("color"), missing("width")]}),
    Mistake("no-int", put("1", width="abc"), {
        "1": [unreadable("width", "INT", "abc", "invalid literal for int() with base 10: 'abc'")]
    }),
    Mistake("null", put("1", width=None), {"1": [unreadable("width", "INT", "None", f"{INT} 'NoneType'")]}),
    Mistake("object", put("1", width={"a": 1}), {
        "1": [unreadable("width", "INT", "{'a': 1}", f"{INT} 'dict'")]
    }),
    Mistake("wrapped-list", put("1", width={"__value__": [1, 2]}), {
        "1": [unreadable("width", "INT", "[1, 2]", f"{INT} 'list'")]
    }),
    Mistake("too-small", put("1", width=0), {"1": [smaller("width", 0, 1)]}),
    Mistake("too-small-as-text", put("1", width="-3"), {"1": [smaller("width", -3, 1)]}),
    Mistake("too-big", put("1", width=16385), {"1": [bigger("width", 16385, 16384)]}),
    Mistake("colour-too-big", put("1", color=1 << 24), {"1": [bigger("color", 1 << 24, (1 << 24) - 1)]}),
    Mistake(
        "unlisted",
        put("2", upscale_method="magic"),
        {"2": [unlisted("upscale_method", "'magic'", METHODS)]},
    ),
    Mistake(
        "unlisted-number",
        put("2", upscale_method=7),
        {"2": [unlisted("upscale_method", "'7'", METHODS)]},
        new={"2": [unlisted("upscale_method", "7", METHODS)]},
    ),
    Mistake("wrong-case", put("2", crop="Center"), {
        "2": [unlisted("crop", "'Center'", ["disabled", "center"])]
    }),
    Mistake("three-at-one-node", put("2", crop="x", width=-1, image=["1"]), {
        "2": [bad_link("image"), smaller("width", -1, 0), unlisted("crop", "'x'", ["disabled", "center"])]
    }),
    Mistake("at-two-nodes", lambda prompt: (put("1", width=0)(prompt), take("2", "crop")(prompt)), {
        "1": [smaller("width", 0, 1)], "2": [missing("crop")]
    }),
    Mistake("link-of-one", put("2", image=["1"]), {"2": [bad_link("image")]}),
    Mistake("link-of-three", put("2", image=["1", 0, 0]), {"2": [bad_link("image")]}),
    Mistake(
        "link-of-none-on-the-output",
        put("3", images=[]),
        {"3": [bad_link("images")]},
        details="Bad linked input, must be a length-2 list of [node_id, slot_index]: images",
    ),
    Mistake("picture-for-a-number", put("2", width=["1", 0]), {"2": [mismatch("width", "IMAGE", "INT")]}),
    Mistake(
        "mask-for-a-picture",
        lambda prompt: prompt.update(
            {"4": node("SolidMask", value=1.0, width=8, height=8), "3": node("PreviewImage", images=["4", 0])}
        ),
        {"3": [mismatch("images", "MASK", "IMAGE")]},
        details="Return type mismatch between linked nodes: "
        "images, received_type(MASK) mismatch input_type(IMAGE)",
    ),
    Mistake("link-to-nowhere", put("3", images=["99", 0]), {"3": [raised("'99'")]},
            details="Exception when validating node: '99'"),
    Mistake("link-to-nowhere-further-up", put("2", image=["99", 0]), {"2": [raised_inside("'99'")]}),
    Mistake("slot-too-high", put("3", images=["2", 1]), {"3": [raised("tuple index out of range")]},
            details="Exception when validating node: tuple index out of range"),
    Mistake("slot-as-float", put("2", image=["1", 0.0]), {
        "2": [raised_inside("tuple indices must be integers or slices, not float")]
    }),
    Mistake("node-id-as-number", put("2", image=[1, 0]), {"2": [raised_inside("1")]}),
    Mistake("no-inputs", lambda prompt: prompt["1"].pop("inputs"), {"1": [raised_inside("'inputs'")]}),
    Mistake("file-that-is-not-there", lambda prompt: prompt.update(
        {"1": node("LoadImage", image="comfywire-conformance/not there.png")}
    ), {"1": [(
        "custom_validation_failed",
        "Custom validation failed for node",
        "image - Invalid image file: comfywire-conformance/not there.png",
    )]}),
    Mistake("empty", lambda prompt: prompt.clear(), error=NO_OUTPUTS),
    Mistake("no-output", lambda prompt: prompt.pop("3"), error=NO_OUTPUTS),
]  # fmt: skip


def wrong(mistake: Mistake) -> Prompt:
    prompt = deepcopy(RIGHT)
    mistake.make(prompt)
    return prompt


def told(answer: dict[str, Any]) -> dict[str, list[Told]]:
    """Type, message and details of each error; their order is that of a set, which is chance."""
    return {
        node_id: sorted((error["type"], error["message"], error["details"]) for error in one["errors"])
        for node_id, one in answer["node_errors"].items()
    }


async def test_the_right_prompt_is_accepted(wire: Wire):
    assert (await wire.post("/prompt", {"prompt": RIGHT}))[0] == 200


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
async def test_a_mistake_is_told_in_the_validators_words(place: Place, wire: Wire, mistake: Mistake):
    status, answer = await wire.post("/prompt", {"prompt": wrong(mistake)})

    expected = mistake.new if place.is_new and mistake.new else mistake.nodes
    assert status == 400
    assert told(answer) == {node_id: sorted(errors) for node_id, errors in expected.items()}
    kind, message = mistake.error
    error = {"type": kind, "message": message, "details": mistake.details, "extra_info": {}}
    assert answer["error"] == error


EXTRA = {
    "missing": {"input_name"},
    "too-small": {"input_name", "input_config", "received_value"},
    "too-big": {"input_name", "input_config", "received_value"},
    "unlisted": {"input_name", "input_config", "received_value"},
    "no-int": {"input_name", "input_config", "received_value", "exception_message"},
    "link-of-one": {"input_name", "input_config", "received_value"},
    "picture-for-a-number": {"input_name", "input_config", "received_type", "linked_node"},
    "file-that-is-not-there": {"input_name"},
    "link-to-nowhere": {"exception_type", "traceback"},
    "link-to-nowhere-further-up": {
        "input_name",
        "input_config",
        "exception_message",
        "exception_type",
        "traceback",
        "linked_node",
    },
}


@pytest.mark.parametrize("name", EXTRA)
async def test_each_kind_of_mistake_has_its_extra_info(wire: Wire, name):
    mistake = next(each for each in MISTAKES if each.name == name)

    _, answer = await wire.post("/prompt", {"prompt": wrong(mistake)})

    ((node_id, one),) = answer["node_errors"].items()
    ((error,),) = [one["errors"]]
    assert set(error["extra_info"]) == EXTRA[name]
    assert one["dependent_outputs"] == ["3"]
    assert one["class_type"] == wrong(mistake)[node_id]["class_type"]


async def test_an_input_config_is_type_and_options(wire: Wire):
    prompt = wrong(next(each for each in MISTAKES if each.name == "too-big"))

    _, answer = await wire.post("/prompt", {"prompt": prompt})

    (error,) = answer["node_errors"]["1"]["errors"]
    kind, options = error["extra_info"]["input_config"]
    assert (kind, options["max"], error["extra_info"]["received_value"]) == ("INT", 16384, 16385)


async def test_an_unknown_class_is_named(place: Place, wire: Wire):
    prompt = deepcopy(RIGHT) | {"7": node("NoSuchClass") | {"_meta": {"title": "My node"}}}

    status, answer = await wire.post("/prompt", {"prompt": prompt})

    expected = {
        "type": "invalid_prompt",
        "message": "Cannot execute because node NoSuchClass does not exist.",
        "details": "Node ID '#7'",
        "extra_info": {},
    }
    if place.is_new:
        expected |= {
            "type": "missing_node_type",
            "message": "Node 'My node' not found. The custom node may not be installed.",
            "extra_info": {"node_id": "7", "class_type": "NoSuchClass", "node_title": "My node"},
        }
    assert (status, answer) == (400, {"error": expected, "node_errors": {}})


async def test_a_node_without_a_class_is_named(place: Place, wire: Wire):
    status, answer = await wire.post("/prompt", {"prompt": {"7": {"inputs": {}}}})

    expected = {
        "type": "invalid_prompt",
        "message": "Cannot execute because a node is missing the class_type property.",
        "details": "Node ID '#7'",
        "extra_info": {},
    }
    if place.is_new:
        expected |= {
            "type": "missing_node_type",
            "message": "Node 'ID #7' has no class_type. "
            "The workflow may be corrupted or a custom node is missing.",
            "extra_info": {"node_id": "7", "class_type": None, "node_title": None},
        }
    assert (status, answer) == (400, {"error": expected, "node_errors": {}})


async def test_a_cycle_is_named_by_new_servers_only(place: Place, wire: Wire):
    prompt = deepcopy(RIGHT)
    prompt["1"] = node("ImageInvert", image=["2", 0])

    status, answer = await wire.post("/prompt", {"prompt": prompt})

    assert (status, answer["error"]["type"], answer["error"]["details"]) == (400, FAILED, "")
    kinds = {
        node_id: {error["type"] for error in one["errors"]} for node_id, one in answer["node_errors"].items()
    }
    assert kinds == ({"1": {"dependency_cycle"}, "2": {"dependency_cycle"}} if place.is_new else {})


@pytest.mark.parametrize(
    ("name", "value", "becomes"),
    [
        ("width", "16", 16),
        ("width", 16.9, 16),
        ("width", True, 1),
        ("width", {"__value__": 16}, 16),
    ],
    ids=repr,
)
async def test_values_are_converted(wire: Wire, name, value, becomes):
    prompt = deepcopy(RIGHT)
    prompt["1"]["inputs"][name] = value
    feed = await wire.feed()

    prompt_id = await wire.submit(prompt, feed)
    await feed.until_end(prompt_id)

    kept = (await wire.history(prompt_id))["prompt"][2]["1"]["inputs"][name]
    assert (kept, type(kept)) == (becomes, type(becomes))


async def test_inputs_that_a_class_does_not_have_are_kept(wire: Wire):
    prompt = deepcopy(RIGHT)
    prompt["1"]["inputs"]["unknown"] = "value"
    feed = await wire.feed()

    prompt_id = await wire.submit(prompt, feed)

    assert "execution_success" in await feed.until_end(prompt_id)
    assert (await wire.history(prompt_id))["prompt"][2]["1"]["inputs"]["unknown"] == "value"
