"""Rows of a batch of a file: the names that the file has for its inputs, said by place to the service."""

from typing import Any

import click
import pytest

from comfywire.cli.jobs.placing import Placing
from comfywire.workflow import Workflow

SAMPLER: dict[str, Any] = {
    "type": "KSampler",
    "mode": 0,
    "widgets_values": [5, "fixed", 20, 8, "euler", "normal", 1],
}


def sampler(number: int) -> dict[str, Any]:
    slot = {"name": "seed", "type": "INT", "link": number, "widget": {"name": "seed"}}
    return {**SAMPLER, "id": number, "title": f"pass {number}", "inputs": [slot]}


def placing(*picks: list[Any]) -> Placing:
    """Of a file with one seed for two of its three samplers."""
    seed = {"id": 4, "type": "PrimitiveNode", "mode": 0, "widgets_values": [7, "fixed"],
            "outputs": [{"name": "INT", "type": "INT", "links": [1, 2]}]}  # fmt: skip
    links = [[number, 4, 0, number, 0, "INT"] for number in (1, 2)]
    chosen = {"linearData": {"inputs": [*picks], "outputs": [1]}}
    nodes = [sampler(1), sampler(2), {**SAMPLER, "id": 3}, seed]
    return Placing(Workflow.load({"nodes": nodes, "links": links, "version": 0.4, "extra": chosen}))


def test_what_the_author_chose_goes_by_place():
    assert placing([1, "steps"], [2, "cfg"]).by_place({"steps": "3", "cfg": "2"}) == {
        "1.steps": "3",
        "2.cfg": "2",
    }


def test_one_seed_of_two_places_is_drawn_once():
    chosen = placing([4, "value"])
    (name,) = chosen.parameters.by_name

    (row,) = chosen.judged([{name: "random"}], {})
    first, second = chosen.by_place(row).items()

    assert (first[0], second[0]) == ("1.seed", "2.seed")
    assert first[1] == second[1]
    assert first[1].isdecimal()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        pytest.param({"step": "3"}, "row 2: .* has no parameter 'step'", id="no-such-name"),
        pytest.param({"steps": "many"}, "row 2: ", id="no-number"),
        pytest.param({"steps": "3", "1.steps": "4"}, "row 2: .* are both given", id="twice"),
    ],
)
def test_a_row_that_cannot_be_is_refused_by_its_own_names(row, words):
    with pytest.raises(click.BadParameter, match=words):
        placing([1, "steps"]).judged([{"steps": "2"}, row], {})


def test_names_that_the_prompt_tells_are_left_to_the_service():
    prompt = {"1": {"class_type": "CLIPTextEncode", "inputs": {"text": "a", "clip": ["2", 0]}}}
    plain = Placing(Workflow(prompt))

    assert plain.judged([{"nonsense": "1"}], {}) == [{"nonsense": "1"}]
    assert plain.by_place({"text": "b"}) == {"text": "b"}
