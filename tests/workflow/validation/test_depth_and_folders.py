"""What the server refuses for its depth, and queues although it fails: chains, and names of folders."""

from __future__ import annotations

from typing import Any

import pytest

from comfywire import Client, InvalidWorkflow, JobFailed, WorkflowRejected, sync
from comfywire.server import Server, server_in_thread
from comfywire.workflow import Effect, Workflow
from comfywire.workflow.validation.validate import LONGEST_CHAIN


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def chain(length: int) -> dict[str, Any]:
    """So many nodes in a row, the output among them."""
    prompt = {"0": node("EmptyImage", width=8, height=8, batch_size=1, color=1)}
    for at in range(1, length - 1):
        prompt[str(at)] = node("ImageInvert", image=[str(at - 1), 0])
    return {**prompt, "end": node("PreviewImage", images=[str(length - 2), 0])}


@pytest.mark.parametrize(("length", "is_refused"), [(950, False), (LONGEST_CHAIN, False), (1100, True)])
def test_a_chain_that_is_too_deep_is_refused(length, is_refused):
    problems = Workflow(chain(length)).validate()

    assert [(each.effect, each.node_id) for each in problems] == (
        [(Effect.REFUSED, "end")] if is_refused else []
    )


def test_only_the_output_behind_it_is_dropped():
    prompt = {**chain(1100), "other": node("PreviewImage", images=["5", 0])}

    (problem,) = Workflow(prompt).validate()

    assert (problem.effect, problem.outputs) == (Effect.DROPPED, ("end",))
    assert "a chain of 1100 linked nodes" in str(problem)


def test_many_nodes_side_by_side_are_no_chain():
    prompt = chain(100)
    for at in range(1200):
        prompt[f"show{at}"] = node("PreviewImage", images=["5", 0])

    assert Workflow(prompt).validate() == []


def test_a_short_way_counts_if_the_server_takes_it_first():
    prompt = chain(600)
    blend = {"blend_factor": 1, "blend_mode": "normal"}
    for at in range(600, 1100):
        prompt[str(at)] = node("ImageBlend", image1=["0", 0], image2=[str(at - 1), 0], **blend)
    prompt["end"]["inputs"]["images"] = ["1099", 0]
    prompt["600"]["inputs"]["image2"] = ["598", 0]

    assert [each.effect for each in Workflow(prompt).validate()] == [Effect.REFUSED]


@pytest.mark.parametrize("profile", ["0.3.64", "0.33.0"])
@pytest.mark.parametrize("length", [950, 1100])
def test_the_server_says_the_same(profile, length):
    # In a thread of its own: how deep it gets depends on where its stack begins.
    with server_in_thread(profile=profile) as server, sync.Client(server.url) as client:
        server.faults.nodes.hold()
        try:
            client.submit(chain(length))
            is_refused = False
        except WorkflowRejected:
            is_refused = True

    assert is_refused is (length > LONGEST_CHAIN)


LOADERS = [
    node("LoadImage"),
    node("LoadImageMask", channel="red"),
    node("LoadVideo"),
    node("LoadAudio"),
    node("LoadLatent"),
]
FILE_OF = {"LoadVideo": "file", "LoadAudio": "audio", "LoadLatent": "latent"}


def loading(loader: dict[str, Any], name: str) -> dict[str, Any]:
    inputs = {**loader["inputs"], FILE_OF.get(loader["class_type"], "image"): name}
    return {"1": {**loader, "inputs": inputs}, "2": node("PreviewAny", source=["1", 0])}


@pytest.mark.parametrize("name", ["", ".", "./", "..", " [output]", "[temp]"])
@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader["class_type"])
def test_a_name_of_a_folder_fails(loader, name):
    problems = Workflow(loading(loader, name)).validate()

    assert [each.effect for each in problems] == [Effect.FAILS]
    assert "names a folder" in str(problems[0])


@pytest.mark.parametrize("profile", ["0.3.64", "0.33.0"])
@pytest.mark.parametrize("loader", [LOADERS[0], LOADERS[2]], ids=["LoadImage", "LoadVideo"])
async def test_the_server_queues_it_and_it_fails_when_it_is_read(profile, loader):
    prompt = loading(loader, "")
    if loader["class_type"] == "LoadVideo":
        prompt["2"] = node("SaveVideo", video=["1", 0], filename_prefix="v", format="auto", codec="auto")
    async with Server(profile=profile) as server, Client(server.url) as client:
        with pytest.raises(JobFailed):
            await client.run(prompt)
        with pytest.raises(InvalidWorkflow, match="it fails when it is read"):
            await client.run(prompt, validate=True)
