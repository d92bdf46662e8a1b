import io

import pytest

from comfywire.errors import InvalidParameter, UnknownNode
from comfywire.workflow import Workflow
from comfywire.workflow.parameters.bind import FileInput
from comfywire.workflow.parameters.parameters import Parameter, Parameters

OBJECT_INFO = {
    "KSampler": {"input": {"required": {"seed": ["INT"], "steps": ["INT"], "cfg": ["FLOAT"]}}, "output": []},
    "LoadImage": {"input": {"required": {"image": [["a.png"], {"image_upload": True}]}}, "output": ["IMAGE"]},
    "Text": {"input": {"required": {"text": ["STRING"]}}, "output": ["STRING"]},
}
PARAMETERS = Parameters(
    {
        "prompt": Parameter("prompt", ("6.text", "7.text"), "text"),
        "seed": Parameter("seed", ("3.seed",), "seed"),
        "steps": Parameter("steps", ("KSampler.steps",), "int", 30, minimum=1),
        "image": Parameter("image", ("8.image",), "image"),
    }
)


@pytest.fixture
def workflow():
    prompt = {
        "3": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 20, "cfg": 7.0}},
        "6": {"class_type": "Text", "inputs": {"text": "a cat"}},
        "7": {"class_type": "Text", "inputs": {"text": "a hat"}},
        "8": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    }
    return Workflow(prompt, object_info=OBJECT_INFO)


def test_a_value_reaches_every_input_that_it_drives(workflow):
    bound = workflow.bind({"prompt": "a dog"}, PARAMETERS).workflow

    assert (bound["6"].text, bound["7"].text) == ("a dog", "a dog")
    assert workflow["6"].text == "a cat"


def test_a_default_is_set_where_nothing_is_given(workflow):
    assert workflow.bind({}, PARAMETERS).workflow["3"].steps == 30
    assert workflow.bind({"steps": "5"}, PARAMETERS).workflow["3"].steps == 5


def test_values_are_told_as_they_were_set(workflow):
    bound = workflow.bind({"seed": "random", "steps": "5"}, PARAMETERS, new_seed=lambda: 77)

    assert bound.values == {"seed": 77, "steps": 5}
    assert bound.workflow["3"].seed == 77


def test_a_random_seed_stays_below_the_largest_allowed(workflow):
    small = Parameters({"seed": Parameter("seed", ("3.seed",), "seed", "random", maximum=9)})

    assert workflow.bind({}, small, new_seed=lambda: 25).values == {"seed": 5}


def test_a_random_seed_is_drawn_for_an_input_that_no_parameter_describes(workflow):
    bound = workflow.bind({"3.seed": "random", "3.steps": 5}, Parameters(), new_seed=lambda: 77)

    assert (bound.workflow["3"].seed, bound.workflow["3"].steps) == (77, 5)


def test_a_seed_of_no_parameter_may_be_what_its_node_takes(workflow):
    assert workflow.bind({"3.seed": -1}, Parameters()).workflow["3"].seed == -1


def test_a_random_seed_needs_somebody_to_draw_it(workflow):
    with pytest.raises(ValueError, match="new_seed"):
        workflow.bind({"seed": "random"}, PARAMETERS)


@pytest.mark.parametrize(
    "source", [b"bytes", io.BytesIO(b"file"), "photo.png"], ids=["bytes", "file", "name"]
)
def test_a_file_is_listed_for_uploading(workflow, source):
    bound = workflow.bind({"image": source}, PARAMETERS)

    assert bound.files == (FileInput("image", "image", source, (("8", "image"),)),)


def test_the_name_of_a_file_is_set_in_case_it_is_on_the_server(workflow):
    assert workflow.bind({"image": "b.png"}, PARAMETERS).workflow["8"].image == "b.png"


def test_an_uploaded_file_is_put_in_its_place(workflow):
    bound = workflow.bind({"image": b"bytes"}, PARAMETERS)

    bound.place(bound.files[0], "sub/b.png")

    assert bound.workflow["8"].image == "sub/b.png"


def test_parameters_are_drafted_where_none_are_given(workflow):
    assert workflow.bind({"cfg": "4.5"}).workflow["3"].cfg == 4.5


def test_any_input_is_reached_by_its_node(workflow):
    bound = workflow.bind({"KSampler.cfg": "4.5", "8.image": b"bytes"}, PARAMETERS)

    assert bound.workflow["3"].cfg == 4.5
    assert [file.inputs for file in bound.files] == [(("8", "image"),)]


def test_an_odd_value_that_stands_there_may_stay(workflow):
    workflow["3"]["steps"] = "odd"
    same = Parameters({"x": Parameter("x", ("3.steps",), "any", "odd")})

    assert workflow.bind({}, same).workflow.prompt == workflow.prompt


def test_what_was_given_wins_over_a_default_for_the_same_input(workflow):
    assert workflow.bind({"3.steps": 7}, PARAMETERS).workflow["3"].steps == 7


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        pytest.param(
            {"promt": "x"}, InvalidParameter, "no parameter 'promt'; did you mean 'prompt'", id="name"
        ),
        pytest.param({"steps": 0}, InvalidParameter, "'steps' is 0, but 1 is the smallest", id="range"),
        pytest.param({"3.sede": 0}, InvalidParameter, "no input 'sede'", id="input"),
        pytest.param({"33.seed": 0}, UnknownNode, "no node '33'", id="node"),
        pytest.param(
            {"3.seed": "x"}, InvalidParameter, r"node 3 \(KSampler\): 'seed' takes a number", id="value"
        ),
    ],
)
def test_a_value_that_cannot_be_set_is_refused(workflow, values, error, message):
    with pytest.raises(error, match=message):
        workflow.bind(values, PARAMETERS)


def test_a_parameter_that_is_required_must_be_given(workflow):
    required = Parameters({"image": Parameter("image", ("8.image",), "image", is_required=True)})

    with pytest.raises(InvalidParameter, match="'image' is required"):
        workflow.bind({}, required)


def test_a_parameter_of_another_workflow_names_the_node_that_is_missing(workflow):
    other = Parameters({"x": Parameter("x", ("99.text",), "text", "a")})

    with pytest.raises(UnknownNode, match="no node '99'"):
        workflow.bind({}, other)


LIMITED = {
    "Wide": {"input": {"required": {"seed": ["INT", {"min": 0, "max": 2**64 - 1}]}}, "output": []},
    "Narrow": {"input": {"required": {"seed": ["INT", {"min": 5, "max": 9}]}}, "output": []},
}


@pytest.fixture
def limited():
    prompt = {str(at): {"class_type": kind, "inputs": {"seed": 7}} for at, kind in enumerate(LIMITED)}
    return Workflow(prompt, object_info=LIMITED)


@pytest.mark.parametrize("drawn", [0, 4, 5, 12, 2**64 - 1])
def test_a_random_seed_fits_every_input_that_it_drives(limited, drawn):
    bound = limited.bind({"seed": "random"}, new_seed=lambda: drawn)

    assert 5 <= bound.values["seed"] <= 9
    assert bound.workflow["0"].seed == bound.workflow["1"].seed == bound.values["seed"]
    assert bound.drawn == ("seed",)


@pytest.mark.parametrize(("value", "words"), [(4, "5 is the smallest"), (10, "9 is the largest")])
def test_a_number_fits_every_input_that_it_drives(limited, value, words):
    with pytest.raises(InvalidParameter, match=words):
        limited.bind({"seed": value})


def test_a_parameter_that_knows_no_limits_has_those_of_its_inputs(limited):
    parameters = Parameters({"s": Parameter("s", ("0.seed", "1.seed"), "seed")})

    assert limited.bind({"s": "random"}, parameters, new_seed=lambda: 2).values == {"s": 7}
    with pytest.raises(InvalidParameter, match="'s' is 10, but 9 is the largest"):
        limited.bind({"s": 10}, parameters)


def test_a_draft_has_the_tightest_limits(limited):
    seed = limited.parameters()["seed"]

    assert (seed.minimum, seed.maximum) == (5, 9)


def test_a_seed_that_is_too_small_says_what_draws_one(limited):
    with pytest.raises(InvalidParameter, match="'random' draws one"):
        limited.bind({"seed": -1})


@pytest.mark.parametrize(
    "values",
    [
        {"prompt": "a", "6.text": "b"},
        {"6.text": "a", "6. text": "b"},
        {"seed": "random", "3.seed": "random"},
        {"image": b"a", "LoadImage.image": b"b"},
    ],
    ids=["parameter-and-input", "two-spellings", "two-draws", "files"],
)
def test_two_values_for_one_input_are_refused(workflow, values):
    with pytest.raises(InvalidParameter, match="are both given for"):
        workflow.bind(values, PARAMETERS, new_seed=lambda: 1)


def test_the_same_value_twice_is_no_matter(workflow):
    bound = workflow.bind({"prompt": "a", "6.text": "a"}, PARAMETERS)

    assert bound.values["prompt"] == bound.values["6.text"] == "a"


def test_a_table_of_inputs_says_how_they_are_named(workflow):
    with pytest.raises(InvalidParameter, match=r"\{'KSampler.seed': \.\.\.\}, not \{'KSampler': \{"):
        workflow.bind({"KSampler": {"seed": 5}}, PARAMETERS)
