import pytest

from comfywire.errors import InvalidParameter
from comfywire.workflow import Workflow
from comfywire.workflow.parameters.parameters import Parameter, Parameters


def parameter(**changes) -> Parameter:
    return Parameter(**{"name": "p", "inputs": ("1.x",), **changes})


@pytest.mark.parametrize(
    ("changes", "value", "checked"),
    [
        pytest.param({"type": "int"}, "20", 20, id="a-number-in-text"),
        pytest.param({"type": "float", "minimum": 0.0, "maximum": 1.0}, 1, 1, id="at-the-limit"),
        pytest.param({"type": "bool"}, "no", False, id="a-word"),
        pytest.param({"type": "text"}, 5, "5", id="a-number-where-text-belongs"),
        pytest.param({"type": "choice", "choices": ("a", "b")}, "a", "a", id="a-choice"),
        pytest.param({"type": "choice", "choices": (8, 16)}, "16", 16, id="a-choice-that-is-a-number"),
        pytest.param({"type": "choice"}, "anything", "anything", id="choices-that-nobody-listed"),
        pytest.param({"type": "int", "choices": (512, 1024)}, "512", 512, id="a-number-among-choices"),
        pytest.param({"type": "seed"}, "random", "random", id="a-random-seed"),
        pytest.param({"type": "seed"}, str(2**64 - 1), 2**64 - 1, id="the-largest-seed"),
        pytest.param({"type": "image"}, b"bytes", b"bytes", id="a-file-as-it-is"),
        pytest.param({"type": "any"}, [1], [1], id="anything"),
    ],
)
def test_a_value_is_checked_and_coerced(changes, value, checked):
    assert parameter(**changes).check(value) == checked


@pytest.mark.parametrize(
    ("changes", "value", "message"),
    [
        pytest.param({"type": "int"}, "many", "parameter 'p' takes a number, not 'many'", id="no-number"),
        pytest.param({"type": "seed"}, "rnd", "takes a number, not 'rnd', or 'random'", id="no-seed"),
        pytest.param({"type": "seed"}, -1, "is -1, but 0 is the smallest allowed", id="a-negative-seed"),
        pytest.param(
            {"type": "seed"}, 2**64, "18446744073709551615 is the largest allowed", id="a-large-seed"
        ),
        pytest.param({"type": "int", "minimum": 1}, 0, "is 0, but 1 is the smallest allowed", id="too-small"),
        pytest.param(
            {"type": "float", "maximum": 2}, 2.5, "is 2.5, but 2 is the largest allowed", id="too-large"
        ),
        pytest.param(
            {"type": "choice", "choices": ("euler", "ddim")},
            "eular",
            "not offered; did you mean 'euler'",
            id="near",
        ),
        pytest.param(
            {"type": "choice", "choices": tuple("abcdefghijklmn")},
            "zz",
            "there are a, b, .*, l, ...",
            id="far",
        ),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(changes, value, message):
    with pytest.raises(InvalidParameter, match=message):
        parameter(**changes).check(value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"name": "two words"}, "is no name for a parameter", id="a-name-with-a-blank"),
        pytest.param({"type": "itn"}, "type 'itn', which does not exist; did you mean 'int'", id="a-type"),
        pytest.param({"inputs": ()}, "drives no input", id="no-inputs"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(InvalidParameter, match=message):
        parameter(**changes)


def test_an_unknown_parameter_is_refused_with_near_matches():
    parameters = Parameters({"prompt": parameter(name="prompt"), "seed": parameter(name="seed")})

    assert "prompt" in parameters
    with pytest.raises(InvalidParameter, match="no parameter 'promt'; did you mean 'prompt'"):
        parameters["promt"]
    with pytest.raises(InvalidParameter, match="no parameter 'zz'; there are prompt, seed"):
        parameters["zz"]


@pytest.fixture
def workflow():
    prompt = {
        "1": {"class_type": "Save", "inputs": {}, "_meta": {"title": "Large"}},
        "2": {"class_type": "Save", "inputs": {}, "_meta": {"title": "Small"}},
        "3": {"class_type": "Load", "inputs": {}},
    }
    return Workflow(prompt, object_info={"Save": {"output_node": True}, "Load": {"output_node": False}})


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        pytest.param("final", ["1", "2"], id="a-name-for-several"),
        pytest.param(["final", "1"], ["1", "2"], id="once-each"),
        pytest.param("Small", ["2"], id="a-title"),
        pytest.param(("2",), ["2"], id="an-id"),
        pytest.param("Save", ["1", "2"], id="every-node-of-a-type"),
    ],
)
def test_named_outputs_select_nodes(workflow, names, ids):
    assert Parameters(outputs={"final": ("Large", "2")}).select_outputs(workflow, names) == ids


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("finl", "no output 'finl'; did you mean 'final'", id="near"),
        pytest.param(
            "Load", "no output 'Load'; there are final, Large, Small", id="a-node-that-is-no-output"
        ),
    ],
)
def test_an_unknown_output_is_refused(workflow, name, message):
    with pytest.raises(InvalidParameter, match=message):
        Parameters(outputs={"final": ("1",)}).select_outputs(workflow, name)


def test_parameters_are_counted_and_listed_in_their_order():
    first, second = Parameter("b", ("1.x",)), Parameter("a", ("1.y",))

    parameters = Parameters({"b": first, "a": second})

    assert (len(parameters), list(parameters)) == (2, [first, second])
