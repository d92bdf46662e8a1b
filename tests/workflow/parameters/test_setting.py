import pytest

from comfywire.errors import InvalidParameter, UnknownNode
from comfywire.workflow import Workflow
from comfywire.workflow.parameters.setting import parse_setting

PROMPT = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 1, "cfg": 7, "model": ["4", 0]}},
    "4": {"class_type": "Loader", "inputs": {}},
    "6": {"class_type": "Text", "inputs": {"text": "a cat"}, "_meta": {"title": "v1.5=good"}},
    "7": {"class_type": "Text", "inputs": {"text": "blurry"}, "_meta": {"title": "Negative"}},
    "8": {"class_type": "LoadImage", "inputs": {"image": "a.png", "resize.width": 5, "flag": False}},
}
OBJECT_INFO = {
    "KSampler": {"input": {"required": {"seed": ["INT", {}], "cfg": ["FLOAT", {}], "steps": ["INT", {}]}}},
    "LoadImage": {"input": {"required": {"image": [["a.png"], {"image_upload": True}]}}},
}


@pytest.fixture
def workflow():
    return Workflow.load(PROMPT, object_info=OBJECT_INFO)


@pytest.mark.parametrize(
    ("text", "node_id", "input_name", "value"),
    [
        pytest.param("KSampler.seed=42", "3", "seed", 42, id="a-class-type"),
        pytest.param("3.seed=42", "3", "seed", 42, id="an-id"),
        pytest.param("3.steps=20", "3", "steps", 20, id="an-input-that-only-object-info-knows"),
        pytest.param("KSampler.cfg=7.5", "3", "cfg", 7.5, id="a-fraction-where-a-whole-number-stands"),
        pytest.param("Negative.text=a = b, c.d", "7", "text", "a = b, c.d", id="a-value-with-signs-in-it"),
        pytest.param("Negative.text=42", "7", "text", "42", id="digits-where-a-text-stands"),
        pytest.param("Negative.text=", "7", "text", "", id="nothing"),
        pytest.param("v1.5=good.text=x", "6", "text", "x", id="a-title-with-dot-and-equals-sign"),
        pytest.param("LoadImage.resize.width=6", "8", "resize.width", 6, id="an-input-with-a-dot"),
        pytest.param("LoadImage.flag=true", "8", "flag", True, id="true-where-a-truth-value-stands"),
        pytest.param('KSampler.model=["4", 1]', "3", "model", ["4", 1], id="a-link"),
        pytest.param(" KSampler . seed =42", "3", "seed", 42, id="blanks-around-names"),
    ],
)
def test_a_setting_is_resolved_against_the_workflow(workflow, text, node_id, input_name, value):
    setting = parse_setting(workflow, text)

    assert (setting.node.id, setting.input, setting.value) == (node_id, input_name, value)


def test_a_random_seed_is_drawn_and_stays_below_the_largest_allowed():
    types = {"KSampler": {"input": {"required": {"seed": ["INT", {"max": 9}]}}}}
    workflow = Workflow.load({"3": PROMPT["3"]}, object_info=types)

    assert parse_setting(workflow, "KSampler.seed=random", new_seed=lambda: 25).value == 5


@pytest.mark.parametrize("object_info", [None, OBJECT_INFO])
def test_a_seed_is_known_by_its_name_and_its_number(object_info):
    workflow = Workflow.load(PROMPT, object_info=object_info)

    assert parse_setting(workflow, "KSampler.seed= random", new_seed=lambda: 77).value == 77
    with pytest.raises(InvalidParameter, match="takes a number, not 'rnd', or 'random'"):
        parse_setting(workflow, "KSampler.seed=rnd", new_seed=lambda: 77)


@pytest.mark.parametrize(
    ("text", "value"), [("Negative.text=random", "random"), ("LoadImage.image=random", "random")]
)
def test_random_is_a_word_like_any_other_where_no_seed_stands(workflow, text, value):
    assert parse_setting(workflow, text, new_seed=lambda: 77).value == value


def test_other_numbers_are_not_random(workflow):
    with pytest.raises(InvalidParameter, match=r"takes a number, not 'random'$"):
        parse_setting(workflow, "KSampler.steps=random", new_seed=lambda: 77)


def test_applying_a_setting_changes_the_workflow(workflow):
    setting = parse_setting(workflow, "KSampler.seed=42")
    assert workflow["KSampler"].seed == 1

    setting.apply()

    assert workflow["KSampler"].seed == 42


@pytest.mark.parametrize(
    ("text", "upload"), [("LoadImage.image=b.png", "image"), ("3.seed=1", None), ("7.text=x", None)]
)
def test_a_setting_tells_whether_its_input_takes_an_upload(workflow, text, upload):
    assert parse_setting(workflow, text).upload == upload


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        pytest.param("KSampler.seed", InvalidParameter, "not of the form NODE.INPUT=VALUE", id="no-value"),
        pytest.param(".x=42", InvalidParameter, "not of the form NODE.INPUT=VALUE", id="no-name"),
        pytest.param("seed=42", InvalidParameter, "not of the form NODE.INPUT=VALUE", id="no-node"),
        pytest.param(
            "KSampler.sede=42", InvalidParameter, "no input 'sede'; did you mean 'seed'", id="no-input"
        ),
        pytest.param("KSamplr.seed=42", UnknownNode, "did you mean 'KSampler'", id="no-such-node"),
        pytest.param("Text.text=x", UnknownNode, "'Text' stands 2 times", id="an-ambiguous-node"),
        pytest.param(
            "3.seed=x", InvalidParameter, r"node 3 \(KSampler\): 'seed' takes a number, not 'x'", id="value"
        ),
    ],
)
def test_a_setting_that_cannot_be_made_says_why(workflow, text, error, message):
    with pytest.raises(error, match=message):
        parse_setting(workflow, text)


def test_a_long_text_with_many_signs_is_split_in_time(workflow):
    with pytest.raises(UnknownNode):
        parse_setting(workflow, "x." * 300 + "y=" + "a=b." * 300)
