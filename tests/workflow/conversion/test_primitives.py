import pytest
from tests.workflow.conversion.editor import BOTH, NEW, OLD, converted, document, inputs_of, node, node_type

REPLACES = {"Run widget replace on values": True}


def fed(values, *targets, links, **more):
    """Return a workflow where PrimitiveNode 2 feeds the ``targets``."""
    return document(node(2, "PrimitiveNode", *values, **more), *targets, links=links)


def size(value, **more):
    saved = fed(
        [value, "fixed"],
        node(1, "Size", 512, 512, widget_links={"width": 1, "height": 2}),
        links=[(1, 2, 0, 1, 0), (2, 2, 0, 1, 1)],
        **more,
    )
    return inputs_of(saved)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(904, 904, id="as-it-is"),
        pytest.param(901, 904, id="rounded-to-the-step"),
        pytest.param(8000, 4096, id="the-least-of-the-maxima"),
        pytest.param(3, 16, id="the-greatest-of-the-minima"),
    ],
)
def test_one_value_for_several_inputs_suits_them_all(value, expected):
    assert size(value) == {"width": expected, "height": expected}


@pytest.mark.parametrize("mode", [2, 4], ids=["muted", "bypassed"])
def test_the_mode_of_a_primitive_does_not_matter(mode):
    assert size(640, mode=mode) == {"width": 640, "height": 640}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(7.123456, 7.1, id="to-the-digits-of-its-step"),
        pytest.param(7.25, 7.3, id="half-goes-up"),
        pytest.param(900, 100, id="to-the-maximum"),
        pytest.param("text", "text", id="a-text-stays"),
    ],
)
def test_a_number_is_rounded_as_the_widget_does(value, expected):
    saved = fed([value], node(1, "Number", 1.5, widget_links={"value": 1}), links=[(1, 2, 0, 1, 0)])

    assert inputs_of(saved) == {"value": pytest.approx(expected) if isinstance(expected, float) else expected}


def test_a_primitive_without_a_value_takes_its_first_target_s():
    saved = fed(
        [],
        node(1, "Size", 640, 512, widget_links={"width": 1, "height": 2}),
        links=[(1, 2, 0, 1, 0), (2, 2, 0, 1, 1)],
    )

    assert inputs_of(saved) == {"width": 640, "height": 640}


def test_the_output_says_which_target_is_the_first():
    saved = fed(
        [],
        node(1, "Size", 640, 512, widget_links={"width": 1, "height": 2}),
        links=[(1, 2, 0, 1, 0), (2, 2, 0, 1, 1)],
        outputs=[{"name": "INT", "type": "INT", "links": [2, 1]}],
    )

    assert inputs_of(saved) == {"width": 512, "height": 512}


def test_behind_a_reroute_the_target_keeps_its_own_value():
    saved = document(
        node(2, "PrimitiveNode", 9),
        node(3, "Reroute", links={"": 1}),
        node(1, "Sample", 5, "fixed", widget_links={"seed": 2}),
        links=[(1, 2, 0, 3, 0), (2, 3, 0, 1, 0)],
    )

    assert inputs_of(saved)["seed"] == 5


@pytest.mark.parametrize(("properties", "expected"), [(REPLACES, "seed 5"), ({}, "seed %Sample.seed%")])
def test_a_primitive_replaces_names_where_it_is_told_to(properties, expected):
    saved = fed(
        ["seed %Sample.seed%"],
        node(1, "Text", "", widget_links={"text": 1}),
        node(4, "Sample", 5, "fixed"),
        links=[(1, 2, 0, 1, 0)],
        properties=properties,
    )

    assert inputs_of(saved) == {"text": expected}


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_a_primitive_is_not_sent(profile):
    saved = fed([9], node(1, "Sample", 5, widget_links={"seed": 1}), links=[(1, 2, 0, 1, 0)])

    assert list(converted(saved, profile).prompt) == ["1"]


@pytest.mark.parametrize("profile", [NEW, OLD], ids=lambda profile: profile.name)
def test_a_primitive_that_copies_an_unknown_widget_writes_nothing(profile):
    saved = fed(
        [9],
        node(3, "Unheard", 1, widget_links={"amount": 1}),
        node(1, "Sample", 5, "fixed", widget_links={"seed": 2}),
        links=[(1, 2, 0, 3, 0), (2, 2, 0, 1, 0)],
    )

    assert inputs_of(saved, profile)["seed"] == 5


STEPPED = {"Stepped": node_type({"value": ["INT", {"min": 4, "step": 8}], "whole": ["INT", {}]})}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("value", 10, 12, id="steps-count-from-the-minimum"),
        pytest.param("value", 7, 4, id="to-the-nearest-step"),
        pytest.param("whole", 2.5, 3, id="half-goes-up"),
        pytest.param("whole", -2.5, -2, id="half-goes-up-below-zero-too"),
    ],
)
def test_a_whole_number_is_rounded_as_the_widget_does(name, value, expected):
    saved = fed([value], node(1, "Stepped", 1, 1, widget_links={name: 1}), links=[(1, 2, 0, 1, 0)])

    assert inputs_of(saved, server=STEPPED)[name] == expected
