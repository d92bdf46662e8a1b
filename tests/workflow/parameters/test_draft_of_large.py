"""Drafting takes as long for each node of a large graph as of a small one: anybody may hand in a file."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from comfywire.workflow import Workflow


class Id(str):
    """An id that counts how often it is compared with others."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Id.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def samplers_and_texts(count: int) -> dict[str, Any]:
    """``count`` samplers, each led by two of ``count`` texts, and as many texts that lead nowhere."""
    texts: dict[str, Any] = {
        Id(f"t{n}"): {"class_type": "CLIPTextEncode", "inputs": {"text": f"{n}"}} for n in range(2 * count)
    }
    samplers: dict[str, Any] = {
        Id(f"s{n}"): {
            "class_type": "KSampler",
            "inputs": {"positive": [f"t{n}", 0], "negative": [f"t{(7 * n + 1) % count}", 0]},
        }
        for n in range(count)
    }
    return {**texts, **samplers}


def a_chain(count: int) -> Workflow:
    """A text behind ``count`` nodes that each have the two before them."""
    chain = {
        str(n): {
            "class_type": "ConditioningCombine",
            "inputs": {"conditioning_1": [str(n - 1), 0], "conditioning_2": [str(max(0, n - 2)), 0]},
        }
        for n in range(1, count)
    }
    text = {"class_type": "CLIPTextEncode", "inputs": {"text": "a barn"}}
    return Workflow(
        {"0": text, **chain, "s": {"class_type": "KSampler", "inputs": {"positive": [str(count - 1), 0]}}}
    )


def pictures(count: int) -> Workflow:
    return Workflow(
        {str(n): {"class_type": "LoadImage", "inputs": {"image": f"{n}.png"}} for n in range(count)}
    )


def an_app(count: int) -> Workflow:
    """``count`` inputs of one node, each chosen by the author and given a label."""
    names = [f"w{n}" for n in range(count)]
    prompt = {"1": {"class_type": "EmptyImage", "inputs": dict.fromkeys(names, 8)}}
    slots = [{"name": name, "label": f"Input {name}", "link": None} for name in names]
    return app(
        {**prompt, "2": saver()}, [{"id": 1, "type": "EmptyImage", "inputs": slots}], [[1, n] for n in names]
    )


def an_app_of_one_switch(count: int) -> Workflow:
    """One widget that feeds ``count`` inputs, chosen ``count`` times, half of them wrongly."""
    takers = [
        {"id": n, "type": "EmptyImage", "inputs": [{"name": "width", "link": n}]} for n in range(3, count + 3)
    ]
    prompt = {str(each["id"]): {"class_type": "EmptyImage", "inputs": {"width": 8}} for each in takers}
    switch = {"id": 1, "type": "PrimitiveNode", "outputs": [{"links": [each["id"] for each in takers]}]}
    picks = [[1, "value"] if n % 2 else [1, f"wrong{n}"] for n in range(count)]
    return app({"2": saver(), **prompt}, [switch, *takers], picks)


def saver() -> dict[str, Any]:
    return {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}


def app(prompt: dict[str, Any], nodes: list[dict[str, Any]], picks: list[Any]) -> Workflow:
    chosen = {"linearData": {"inputs": picks, "outputs": [2]}}
    return Workflow(prompt, document={"version": 0.4, "nodes": nodes, "links": [], "extra": chosen})


def seconds_to_draft(workflow: Workflow) -> float:
    began = time.process_time()
    assert workflow.parameters()
    return time.process_time() - began


@pytest.mark.parametrize(
    ("large", "count"),
    [(a_chain, 500), (pictures, 300), (an_app, 1000), (an_app_of_one_switch, 700)],
)
def test_drafting_takes_four_times_as_long_for_four_times_the_graph(
    large: Callable[[int], Workflow], count: int
):
    seconds_to_draft(large(10))  # what is read once is read now

    ratios = (seconds_to_draft(large(4 * count)) / seconds_to_draft(large(count)) for _ in range(5))

    assert any(ratio < 8 for ratio in ratios)  # squared it takes sixteen times as long


def test_a_text_is_looked_up_among_those_that_lead_somewhere():
    workflow = Workflow(samplers_and_texts(200))
    Id.compared = 0

    workflow.parameters()

    assert Id.compared < 50 * 600  # one by one it is 200 * 400 and more
