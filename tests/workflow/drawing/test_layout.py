import pytest

from comfywire.workflow.drawing.layout import DrawnLink, arrange, links_of


def node(*origins: str) -> dict:
    return {"class_type": "X", "inputs": {f"in{at}": [origin, at] for at, origin in enumerate(origins)}}


def test_links_are_those_between_nodes_that_are_there():
    prompt = {"1": node(), "2": node("1", "99"), "3": {"class_type": "X"}, "4": {"inputs": []}}

    assert links_of(prompt) == [DrawnLink("1", 0, "2", "in0")]


@pytest.mark.parametrize(
    ("prompt", "columns"),
    [
        pytest.param({}, (), id="nothing"),
        pytest.param({"1": node()}, (("1",),), id="one"),
        pytest.param({"2": node("1"), "1": node()}, (("1",), ("2",)), id="whatever-the-order"),
        pytest.param(
            {"1": node(), "2": node("1"), "3": node("1", "2")}, (("1",), ("2",), ("3",)), id="the-longest-way"
        ),
        pytest.param(
            {"a": node(), "b": node(), "x": node("b"), "y": node("a")},
            (("a", "b"), ("y", "x")),
            id="uncrossed",
        ),
    ],
)
def test_nodes_stand_right_of_what_they_wait_for(prompt, columns):
    assert arrange(prompt).columns == columns


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param({"1": node("1")}, id="a-node-with-itself"),
        pytest.param({"1": node("2"), "2": node("1"), "3": node("2")}, id="two-with-each-other"),
        pytest.param(
            {str(at): node(*(str(other) for other in range(9))) for at in range(9)}, id="all-with-all"
        ),
    ],
)
def test_links_in_a_circle_have_a_place_too(prompt):
    assert sorted(arrange(prompt).order) == sorted(prompt)


def test_a_long_chain_is_arranged():
    prompt = {str(at): node(str(at + 1)) for at in range(5000)} | {"5000": node()}

    assert len(arrange(prompt).columns) == 5001
