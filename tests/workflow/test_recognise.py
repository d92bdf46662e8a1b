import json

import pytest

from comfywire.errors import UnreadableWorkflow
from comfywire.workflow.recognise import parse_json, recognise

PROMPT = {"1": {"class_type": "SaveImage", "inputs": {}}}
DOCUMENT = {"nodes": [{"id": 1}], "links": []}


@pytest.mark.parametrize(
    ("value", "prompt", "document"),
    [
        pytest.param(PROMPT, PROMPT, None, id="a-prompt"),
        pytest.param(DOCUMENT, None, DOCUMENT, id="the-editors-document"),
        pytest.param({1: {"class_type": "X"}}, {"1": {"class_type": "X"}}, None, id="ids-that-are-numbers"),
        pytest.param({"prompt": PROMPT, "client_id": "x"}, PROMPT, None, id="the-body-of-a-post"),
        pytest.param(
            {"prompt": PROMPT, "extra_data": {"extra_pnginfo": {"workflow": DOCUMENT}}},
            PROMPT,
            DOCUMENT,
            id="a-body-with-the-document",
        ),
        pytest.param(
            {"output": PROMPT, "workflow": DOCUMENT}, PROMPT, DOCUMENT, id="what-graphToPrompt-returns"
        ),
        pytest.param(
            {"prompt": json.dumps(PROMPT), "workflow": json.dumps(DOCUMENT)}, PROMPT, DOCUMENT, id="metadata"
        ),
        pytest.param({"prompt": DOCUMENT, "workflow": PROMPT}, PROMPT, DOCUMENT, id="the-wrong-way-round"),
        pytest.param(
            {"1": {"class_type": "X"}, "2": {}}, {"1": {"class_type": "X"}, "2": {}}, None, id="a-bad-node"
        ),
    ],
)
def test_a_workflow_is_recognised_as(value, prompt, document):
    found = recognise(value, where="it")

    assert (found.prompt, found.document) == (prompt, document)


@pytest.mark.parametrize(
    ("value", "looks_like"),
    [
        pytest.param([1, 2], "a list of 2", id="a-list"),
        pytest.param("x", "a text", id="a-text"),
        pytest.param(1.5, "a number", id="a-number"),
        pytest.param(True, "true or false", id="a-truth-value"),
        pytest.param(None, "null", id="null"),
        pytest.param({}, "an empty object", id="an-empty-object"),
        pytest.param({"name": "x", "version": 1}, "an object with 'name', 'version'", id="another-object"),
        pytest.param({"a": {}, "b": {}, "c": {}, "d": {}, "e": {}}, "'a', 'b', 'c', 'd', ...", id="objects"),
        pytest.param(
            {"K": {"input": {}, "output": [], "category": ""}}, "a server's /object_info", id="object-info"
        ),
        pytest.param({"id": {"prompt": [], "outputs": {}}}, "a history entry", id="history"),
        pytest.param(
            {"prompt": "a cat", "workflow": None}, "an object with 'prompt', 'workflow'", id="words"
        ),
    ],
)
def test_what_is_no_workflow_is_named(value, looks_like):
    with pytest.raises(UnreadableWorkflow) as raised:
        recognise(value, where="it")

    assert str(raised.value).startswith("it holds ")
    assert looks_like in str(raised.value)
    assert str(raised.value).endswith("Workflow > Export, or Export (API)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            '{"a": 1,}', "it looks like JSON, but breaks off at line 1, column", id="a-comma-too-many"
        ),
        pytest.param(b'{"a": "\xff"}', "not UTF-8", id="another-encoding"),
        pytest.param("[" * 100_000, "nested too deeply", id="nesting-that-python-refuses"),
        pytest.param("[" * 150 + "]" * 150, "nested too deeply", id="nesting-that-python-takes"),
        pytest.param('{"a": ' + "9" * 5000 + "}", "cannot be read", id="thousands-of-digits"),
    ],
)
def test_json_that_cannot_be_read_is_refused_in_a_sentence(text, message):
    with pytest.raises(UnreadableWorkflow, match=message):
        parse_json(text, where="it")


def test_a_dictionary_nested_beyond_reason_is_refused():
    value: dict = {"1": {"class_type": "X"}}
    for _ in range(150):
        value = {"prompt": value}

    with pytest.raises(UnreadableWorkflow, match="nested too deeply"):
        recognise(value, where="it")


def test_bare_nan_is_read():
    assert parse_json('{"a": [NaN]}', where="it")["a"][0] != 0
