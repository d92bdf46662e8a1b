"""Whatever stands in a prompt, looking at it gives an answer, or one of our own errors."""

import xml.etree.ElementTree as ET

from hypothesis import given, reject, settings
from hypothesis import strategies as st

from comfywire.errors import UnreadableWorkflow
from comfywire.workflow import Parameters, Workflow
from comfywire.workflow.parameters.toml import parse_toml, to_toml

OBJECT_INFO = {
    "A": {
        "input": {
            "required": {
                "seed": ["INT", {"min": 0, "max": 9}],
                "text": ["STRING"],
                "image": [["a.png"], {"image_upload": True}],
                "how": [
                    "COMFY_DYNAMICCOMBO_V3",
                    {"options": [{"key": "k", "inputs": {"required": {"x": ["INT"]}}}]},
                ],
            },
            "optional": {"model": ["MODEL"], "many": ["COMBO", {"options": ["a", 1], "multiselect": True}]},
        },
        "output": ["MODEL", ["a", "b"]],
        "output_node": True,
    },
    "B": {"input": "odd", "output": None, "output_node": False},
    "C": {
        "input": {"required": {"x": "odd", "y": [], "z": [None, None], "w": ["INT", {"min": "a"}]}},
        "output": [5],
    },
}
IDS = st.sampled_from(["1", "2", "3:4", "", "é"])
NAMES = st.sampled_from(
    ["seed", "text", "image", "how", "how.x", "model", "many", "x", "y", "z", "w", "odd", "positive"]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["k", "a.png", "$p.text!"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=6,
)
LINKS = st.tuples(IDS | JSON, st.integers(-2, 3) | JSON).map(list)
NODES = st.fixed_dictionaries(
    {"class_type": st.sampled_from(["A", "B", "C", "Unknown"]) | JSON},
    optional={
        "inputs": st.dictionaries(NAMES, LINKS | JSON, max_size=6) | JSON,
        "_meta": st.fixed_dictionaries({"title": st.sampled_from(["$p.text", "A", "1", "$output.o"]) | JSON})
        | JSON,
        "is_changed": JSON,
    },
)


PROMPTS = st.dictionaries(IDS, NODES, min_size=1, max_size=5)


def load(prompt: dict) -> Workflow:
    """Return a workflow of any prompt; those that load() refuses as no workflow are of no interest here."""
    try:
        return Workflow.load(prompt, OBJECT_INFO)
    except UnreadableWorkflow:
        reject()


@given(prompt=PROMPTS)
@settings(max_examples=60, deadline=30_000)
def test_looking_at_any_prompt_gives_an_answer_that_leaves_it_alone(prompt):
    workflow = load(prompt)
    before = repr(workflow.prompt)

    assert all(problem.sentence for problem in workflow.validate())
    assert workflow.graph().count("\n") >= len(prompt) - 1
    assert workflow.graph("mermaid").startswith("flowchart")
    ET.fromstring(workflow.graph("svg"))
    assert [workflow[node.id] for node in workflow] == workflow.nodes
    assert len(workflow.without(next(iter(prompt)))) == len(prompt) - 1
    assert repr(workflow.prompt) == before


@given(prompt=PROMPTS)
@settings(max_examples=60, deadline=30_000)
def test_the_parameters_of_any_prompt_can_be_kept(prompt):
    parameters = load(prompt).parameters()

    assert [*parse_toml(to_toml(parameters)).by_name] == [*parameters.by_name]


@given(prompt=PROMPTS)
@settings(max_examples=60, deadline=30_000)
def test_binding_nothing_leaves_any_prompt_runnable(prompt):
    workflow = load(prompt)

    bound = workflow.bind({}, Parameters(workflow.parameters().by_name))

    assert bound.workflow.prompt.keys() == workflow.prompt.keys()
