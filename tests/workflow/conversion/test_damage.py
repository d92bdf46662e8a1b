"""Files that are damaged, or made to do harm: nothing but UnreadableWorkflow, and not for ever."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.workflow.conversion.editor import BOTH, SERVER, converted, document, node, subgraph

from comfywire.errors import UnreadableWorkflow
from comfywire.workflow.conversion.convert import Converter

HERE = Path(__file__).parent / "handmade"
SEEDS = [
    json.loads((HERE / "0.33.0" / "workflows" / f"handmade__{name}.json").read_text(encoding="utf-8"))
    for name in (
        "group_reroute_primitive__fe127",
        "sub_nested__fe149",
        "sub_two_instances__fe127",
        "primitive_int_shared__fe127",
        "primitive_replace__fe149",
        "load_media__fe149",
    )
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([-10, -20, 5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def converters():
    import gzip

    packed = (HERE / "0.33.0" / "object_info.json.gz").read_bytes()
    object_info = json.loads(gzip.decompress(packed))
    return [Converter(object_info, profile=profile) for profile in BOTH]


CONVERTERS = converters()


def places(value, found):
    """List every place in a document as a container and a key."""
    for key in (
        list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    ):
        found.append((value, key))
        places(value[key], found)
    return found


def convert_or_refuse(saved, converter):
    try:
        return converter.convert(saved)
    except UnreadableWorkflow:
        return None


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_change_to_a_workflow_is_converted_or_refused(data):
    saved = copy.deepcopy(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 4))):
        container, key = data.draw(st.sampled_from(places(saved, [])))
        container[key] = data.draw(JSON)

    for converter in CONVERTERS:
        convert_or_refuse(saved, converter)


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_part_may_be_missing(data):
    saved = copy.deepcopy(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 6))):
        container, key = data.draw(st.sampled_from(places(saved, [])))
        if isinstance(container, dict):
            del container[key]

    for converter in CONVERTERS:
        convert_or_refuse(saved, converter)


@given(saved=JSON, object_info=st.dictionaries(st.sampled_from(["Load", "Sample"]), JSON))
@settings(max_examples=100, deadline=None)
def test_any_catalogue_is_read_somehow(saved, object_info):
    workflow = document(node(1, "Load", saved, 1, 2), node(2, "Sample", saved))

    converted(workflow, server={**SERVER, **object_info})


@given(index=st.sampled_from(range(len(SEEDS))))
@settings(max_examples=20, deadline=None)
def test_a_document_is_not_changed(index):
    before = copy.deepcopy(SEEDS[index])

    for converter in CONVERTERS:
        converter.convert(SEEDS[index])

    assert SEEDS[index] == before


@pytest.mark.parametrize(
    "saved",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"nodes": {}}, id="nodes-that-are-no-list"),
        pytest.param({"1": {"class_type": "Load", "inputs": {}}}, id="a-prompt"),
        pytest.param([], id="a-list"),
    ],
)
def test_what_the_editor_never_saved_is_refused(saved):
    with pytest.raises(UnreadableWorkflow, match="no list of nodes"):
        converted(saved)


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_a_subgraph_in_itself_is_left_out(profile):
    made = subgraph("one", node(5, "one"), node(6, "Load"))

    conversion = converted(document(node(9, "one"), definitions={"subgraphs": [made]}), profile)

    assert list(conversion.prompt) == ["9:6"]
    assert conversion.warnings == ["node 9:5: its subgraph contains itself; left out"]


def test_links_in_a_circle_through_subgraphs_end():
    made = subgraph(
        "one",
        links=[(1, -10, 0, -20, 0)],
        inputs={"in": ("IMAGE", [1])},
        outputs={"out": ("IMAGE", [1])},
    )
    saved = document(
        node(9, "one", links={"in": 3}),
        node(1, "Save", links={"images": 4}),
        links=[(3, 9, 0, 9, 0), (4, 9, 0, 1, 0)],
        definitions={"subgraphs": [made]},
    )

    assert "circle" in converted(saved).warnings[0]


def nest(depth, width):
    """Return subgraphs that each hold ``width`` instances of the next."""
    return [
        subgraph(f"s{level}", *(node(place, f"s{level + 1}") for place in range(1, width + 1)))
        for level in range(depth)
    ]


@pytest.mark.parametrize(
    ("saved", "why"),
    [
        pytest.param(
            document(node(9, "s0"), definitions={"subgraphs": nest(2000, 1)}), "too deeply", id="deep"
        ),
        pytest.param(
            document(node(9, "s0"), definitions={"subgraphs": nest(9, 9)}), "100,000 nodes", id="wide"
        ),
        pytest.param(document(node(1, "Text", "{" * 20_000)), "too deeply", id="braces"),
    ],
)
def test_files_that_grow_without_end_are_refused(saved, why):
    with pytest.raises(UnreadableWorkflow, match=why):
        converted(saved)


MANY = 3000
LONG = {
    "options": document(node(1, "Text", "{a|" * 300 + "|b}" * MANY)),
    "names": document(node(1, "SaveImage", "%a.b%" * MANY), *(node(i, "Load") for i in range(2, MANY))),
    "reroutes": document(
        *(node(i, "Reroute", links={"": i - 1}) for i in range(3, 900)),
        node(2, "Load"),
        node(1, "Save", links={"images": 899}),
        links=[(i, i, 0, i + 1, 0) for i in range(2, 900)],
    ),
    "primitives": document(
        *(node(i, "PrimitiveNode", i) for i in range(2, MANY)),
        node(1, "Number", widget_links={"value": 2}),
        links=[(i, i, 0, 1, 0) for i in range(2, MANY)],
    ),
    "entries": document(
        node(9, "inner", properties={"proxyWidgets": [[str(i), "value"] for i in range(100, MANY)]}),
        definitions={"subgraphs": [subgraph("inner", *(node(i, "Number", 1) for i in range(100, MANY)))]},
    ),
    "inputs": document(
        node(9, "inner", links={f"i{i}": i for i in range(MANY)}),
        definitions={
            "subgraphs": [
                subgraph("inner", node(5, "Load"), inputs={f"i{i}": ("INT", []) for i in range(MANY)})
            ]
        },
    ),
}


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
@pytest.mark.parametrize("name", LONG)
def test_long_files_take_no_time_without_end(name, profile):
    assert converted(LONG[name], profile).prompt  # the time limit of every test is part of this one


@pytest.mark.parametrize("value", [10**400, float("inf"), float("nan"), -(10**400), 1e300])
def test_numbers_that_no_widget_holds_pass_through_a_primitive(value):
    saved = document(
        node(2, "PrimitiveNode", value),
        node(1, "Size", widget_links={"width": 1, "height": 2}),
        node(3, "Number", widget_links={"value": 3}),
        links=[(1, 2, 0, 1, 0), (2, 2, 0, 1, 1), (3, 2, 0, 3, 0)],
    )

    assert set(converted(saved).prompt) == {"1", "3"}
