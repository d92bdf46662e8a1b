"""The server's errors in words that name the node, the input and the next step."""

from typing import Any

import pytest

from comfywire.workflow.validation.rejection import dropped, sentences, types_wanted, with_choices

GRAPH = {"1": {"class_type": "EmptyImage", "inputs": {}}, "7": {"class_type": "KSampler", "inputs": {}}}
MANY = {"type": "value_not_in_list", "extra_info": {"input_name": "sampler_name", "received_value": "eular"}}


def wrong(
    kind: str, name: str, value: Any = None, config: Any = None, *, details: str = "details", **more: Any
) -> dict[str, Any]:
    extra = {"input_name": name, "received_value": value, "input_config": config, **more}
    return {"type": kind, "message": "Message", "details": details, "extra_info": extra}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        pytest.param(wrong("required_input_missing", "width"), "input 'width' is missing", id="missing"),
        pytest.param(
            wrong("value_not_in_list", "mode", "ful", [["full", "half"], {}]),
            "mode 'ful' is not offered; did you mean 'full'?",
            id="near",
        ),
        pytest.param(
            wrong("value_not_in_list", "mode", "x", ["COMBO", {"options": list("abcdefgh")}]),
            "mode 'x' is not offered; the server offers a, b, c, d, e, f, …",
            id="none-near-of-many",
        ),
        pytest.param(
            wrong("value_not_in_list", "model", "x", [[], {}]),
            "model 'x' is not offered; the server offers nothing here",
            id="nothing-offered",
        ),
        pytest.param(
            wrong("value_not_in_list", "model", "x"), "model 'x' is not offered", id="choices-left-out"
        ),
        pytest.param(
            wrong("custom_validation_failed", "image", details="image - Invalid image file: ./nonee.png"),
            "image './nonee.png' is not on the server; check the path, or upload the file first",
            id="file",
        ),
        pytest.param(
            wrong(
                "custom_validation_failed",
                "audio",
                config=[["none.flac"], {}],
                details="audio - Invalid audio file: sounds\\nonne.flac",
            ),
            "audio 'sounds\\\\nonne.flac' is not on the server; did you mean 'none.flac'?",
            id="file-with-a-near-one",
        ),
        pytest.param(
            wrong("custom_validation_failed", "value", details="value - is odd"),
            "Message: value - is odd",
            id="words-of-a-node",
        ),
        pytest.param(
            wrong("value_smaller_than_min", "width", -1, ["INT", {"min": 1}]),
            "width -1 is below the minimum 1",
            id="small",
        ),
        pytest.param(
            wrong("value_bigger_than_max", "width", 9, ["INT"]),
            "width 9 is above the maximum that is allowed",
            id="big-without-a-limit",
        ),
        pytest.param(
            wrong("invalid_input_type", "width", "tall", ["INT"]),
            "width 'tall' is not of type INT",
            id="type",
        ),
        pytest.param(
            wrong("invalid_input_type", "mode", 1, [["a"]]),
            "mode 1 is not of type one of a list",
            id="choice",
        ),
        pytest.param(
            wrong("return_type_mismatch", "image", None, ["IMAGE"], received_type="MASK"),
            "input 'image' takes IMAGE, but is linked to an output of type MASK",
            id="mismatch",
        ),
        pytest.param(
            wrong("bad_linked_input", "image", ["1"], ["IMAGE"]),
            "input 'image' is not a link [node_id, slot]: ['1']",
            id="no-link",
        ),
        pytest.param(wrong("custom_validation_failed", "image"), "Message: details", id="in-its-own-words"),
        pytest.param({"type": "odd"}, "odd", id="hardly-any-words"),
    ],
)
def test_an_error_is_one_sentence(error: dict[str, Any], sentence: str) -> None:
    node_errors = {"1": {"class_type": "EmptyImage", "errors": [error, "junk"]}, "2": "junk"}

    assert sentences({"type": "whatever"}, node_errors, GRAPH) == [f"node 1 (EmptyImage): {sentence}"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            {"type": "no_prompt", "message": "No prompt provided", "details": "No prompt"},
            "No prompt provided",
        ),
        ({"type": "x", "message": "Broken", "details": "Node ID '#7'"}, "Broken (Node ID '#7')"),
        ({}, ""),
    ],
    ids=["details-say-the-same", "details-say-more", "nothing-is-said"],
)
def test_what_is_wrong_with_the_whole_is_said_where_no_node_is_named(
    error: dict[str, Any], sentence: str
) -> None:
    assert sentences(error, {}, GRAPH) == ([sentence] if sentence else [])


def test_a_refusal_that_names_nothing_is_explained() -> None:
    error = {"type": "prompt_outputs_failed_validation", "message": "Failed", "details": ""}

    (sentence,) = sentences(error, {}, GRAPH)

    assert "nodes that feed each other in a circle" in sentence


def test_choices_that_were_left_out_are_asked_for_and_filled_in() -> None:
    node_errors = {"7": {"class_type": "KSampler", "errors": [MANY, wrong("odd", "x")]}, "8": "junk"}
    types = {"KSampler": {"input": {"required": {"sampler_name": [["euler", "heun"], {}]}}}}

    completed = with_choices(node_errors, types)

    assert types_wanted(node_errors) == {"KSampler"}
    assert sentences({}, completed, GRAPH)[0].endswith("'eular' is not offered; did you mean 'euler'?")
    assert types_wanted(with_choices(node_errors, {})) == {"KSampler"}


def test_a_dropped_output_is_named_with_the_error_that_cost_it() -> None:
    graph = {**GRAPH, "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}}
    missing = wrong("required_input_missing", "width")
    node_errors = {"1": {"class_type": "EmptyImage", "errors": [missing], "dependent_outputs": ["9", "8"]}}

    assert dropped(node_errors, graph) == [
        "output node 9 (SaveImage) was dropped: node 1 (EmptyImage): input 'width' is missing"
    ]


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("value_not_in_list", "sampler_name: 'eular' not in ['euler', 'lcm']"),
        ("value_smaller_than_min", "seed: 0 is too small"),
        ("invalid_input_type", "steps, abc, invalid literal"),
    ],
)
def test_without_the_value_the_servers_own_words_are_told(kind, details):
    error = {"type": kind, "message": "Not so", "details": details, "extra_info": {"input_name": "x"}}

    (sentence,) = sentences({}, {"3": {"class_type": "KSampler", "errors": [error]}}, {})

    assert sentence == f"node 3 (KSampler): Not so: {details}"


@pytest.mark.parametrize(("value", "is_hinted"), [(-1, True), (-2, False)])
def test_a_seed_of_minus_one_says_what_draws_one(value, is_hinted):
    extra = {"input_name": "seed", "received_value": value, "input_config": ["INT", {"min": 0}]}
    error = {"type": "value_smaller_than_min", "message": "", "details": "", "extra_info": extra}

    (sentence,) = sentences({}, {"3": {"class_type": "KSampler", "errors": [error]}}, {})

    assert ('"random" draws one' in sentence) is is_hinted
