"""How a prompt ended: told truly, whoever ended it and whatever was said meanwhile."""

import asyncio

import pytest
from tests.soon import soon

from comfywire import Client, JobFailed, JobInterrupted, JobLost, OutputsGone, WorkflowRejected
from comfywire.server import Server

from .conftest import Graph, held, names, picture, sampled


def two_saves() -> Graph:
    """Node 2 saves before node 4 can run: 4 takes what 3 made of the saved picture's source."""
    graph = picture()
    graph["3"] = {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}}
    graph["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}
    return graph


@pytest.mark.fault("B6")
async def test_an_error_and_the_end_in_one_breath_are_told_apart(server: Server, client: Client) -> None:
    server.faults.nodes.fail("no such colour", exception_type="ValueError", times=None)

    runs = [client.run(picture(number)) for number in range(5)]
    errors = await soon(asyncio.gather(*runs, return_exceptions=True))

    assert [str(error).split(" failed: ")[1] for error in errors] == [
        "node 1 (EmptyImage) raised ValueError: no such colour"
    ] * 5


@pytest.mark.fault("B7")
async def test_a_node_that_raises_is_named_with_all_that_is_known(server: Server, client: Client) -> None:
    server.faults.nodes.fail(
        "out of paint", exception_type="torch.OutOfMemoryError", class_type="ImageInvert"
    )
    graph = picture()
    graph["3"] = {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}}
    graph["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}

    with pytest.raises(JobFailed) as caught:
        await soon(client.run(graph))

    error = caught.value
    assert (error.node_id, error.class_type) == ("3", "ImageInvert")
    assert error.exception_type == "torch.OutOfMemoryError"
    assert error.exception_message.startswith("out of paint")
    assert "".join(error.traceback).strip()
    assert error.prompt_id == server.log[0].prompt_id


@pytest.mark.fault("B7")
async def test_what_was_saved_before_a_failure_is_on_the_error(server: Server, client: Client) -> None:
    saved = await soon(client.run(picture()))  # cached from now on: it ends before node 3 begins
    server.faults.nodes.fail(class_type="ImageInvert")

    with pytest.raises(JobFailed) as caught:
        await soon(client.run(two_saves()))

    assert [output.filename for output in caught.value.outputs] == names(saved)
    assert await caught.value.outputs[0].read()


@pytest.mark.fault("B8")
async def test_a_prompt_that_somebody_interrupts_keeps_its_outputs(server: Server, client: Client) -> None:
    await soon(client.run(picture()))
    gate = server.faults.nodes.hold(class_type="PreviewImage")
    job = await client.submit(two_saves())
    await server.until_executing(job.prompt_id, "4")

    server.faults.prompts.interrupt()
    gate.release()

    with pytest.raises(JobInterrupted) as caught:
        await soon(job.result())
    assert [output.filename for output in caught.value.outputs] == ["c1_00001_.png"]
    assert caught.value.node_id == "4"


@pytest.mark.fault("B9")
async def test_a_pending_prompt_that_somebody_deletes_is_missed_soon(server: Server, client: Client) -> None:
    async with held(server, client):
        pending = await client.submit(picture(2))
        await server.until(lambda: True)
        server.faults.prompts.delete(pending.prompt_id)

        with pytest.raises(JobLost, match="neither in the queue nor in history"):
            await soon(pending.result())


@pytest.mark.fault("B9")
async def test_a_cleared_queue_is_told_to_every_prompt_in_it(server: Server, client: Client) -> None:
    async with held(server, client) as running:
        pending = [await client.submit(picture(number)) for number in range(2, 7)]
        server.faults.prompts.clear()

        all_of_them = asyncio.gather(*(job.result() for job in pending), return_exceptions=True)
        errors = await soon(all_of_them, 5)

    assert [type(error) for error in errors] == [JobLost] * 5
    assert names(await soon(running.result())) == ["c1_00001_.png"]


@pytest.mark.fault("B21")
async def test_outputs_that_messages_named_survive_a_cleared_history(server: Server, client: Client) -> None:
    server.faults.history.hold(times=None)

    result = await soon(client.run(picture()), 5)

    assert names(result) == ["c1_00001_.png"]
    assert "its history was cleared" in result.warnings[0]
    assert await result.outputs[0].read()


@pytest.mark.fault("B21")
async def test_a_success_whose_messages_and_history_are_gone_says_so(server: Server, client: Client) -> None:
    server.faults.messages.drop("executed", times=None)
    async with held(server, client) as job:
        await server.faults.sockets.cut("rst")
        await server.until(lambda: server.requests["GET /ws"] >= 3)
        server.faults.history.hold(times=None)

    with pytest.raises((OutputsGone, JobLost)) as caught:
        await soon(job.result(), 5)
    assert caught.value.prompt_id == job.prompt_id


async def test_a_history_entry_that_comes_late_is_waited_for(server: Server, client: Client) -> None:
    server.faults.history.late(0.5)

    result = await soon(client.run(picture()), 5)

    assert (names(result), result.warnings) == (["c1_00001_.png"], [])


@pytest.mark.fault("B22")
async def test_a_rejected_prompt_lists_every_error_by_node_and_input(server: Server, client: Client) -> None:
    graph = picture()
    graph["1"]["inputs"] |= {"width": -1, "height": "tall"}
    graph["2"]["inputs"].pop("filename_prefix")

    with pytest.raises(WorkflowRejected) as caught:
        await client.run(graph)

    assert sorted(caught.value.sentences) == [
        "node 1 (EmptyImage): height 'tall' is not of type INT",
        "node 1 (EmptyImage): width -1 is below the minimum 1",
        "node 2 (SaveImage): input 'filename_prefix' is missing",
    ]
    assert server.log == []


@pytest.mark.fault("B22")
async def test_a_misspelt_choice_of_many_gets_the_nearest(server: Server, client: Client) -> None:
    """The server leaves lists of more than 20 choices out of its answer: they are asked for."""
    graph = sampled(1)
    graph["4"]["inputs"]["sampler_name"] = "eular"
    graph["1"]["inputs"]["ckpt_name"] = (await client.models("checkpoints"))[0]

    with pytest.raises(WorkflowRejected) as caught:
        await client.run(graph)

    assert caught.value.sentences == [
        "node 4 (KSampler): sampler_name 'eular' is not offered; did you mean 'euler'?"
    ]
    assert caught.value.node_errors["4"]["errors"][0]["extra_info"]["input_config"] is None


@pytest.mark.fault("B22")
async def test_an_accepted_prompt_names_the_outputs_that_were_dropped(server: Server, client: Client) -> None:
    graph = picture()
    graph["3"] = {"class_type": "SaveImage", "inputs": {"images": ["9", 0], "filename_prefix": "x"}}
    graph["9"] = {
        "class_type": "EmptyImage",
        "inputs": {"width": 8, "height": 8, "batch_size": 0, "color": 0},
    }

    result = await soon(client.run(graph, require_outputs=False))

    assert names(result) == ["c1_00001_.png"]
    assert result.missing == [
        "output node 3 (SaveImage) was dropped: node 9 (EmptyImage): batch_size 0 is below the minimum 1"
    ]


async def test_a_blocked_node_is_no_failure(server: Server, client: Client) -> None:
    graph = picture()
    graph["3"] = {
        "class_type": "TestExecutionBlocker",
        "inputs": {"input": ["1", 0], "block": True, "verbose": True},
    }
    graph["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}

    result = await soon(client.run(graph))

    assert names(result) == ["c1_00001_.png"]


@pytest.mark.parametrize("status_str", ["success", "error"])
async def test_a_status_that_lies_changes_no_verdict(server: Server, client: Client, status_str: str) -> None:
    good = await client.submit(picture())
    await soon(good.result())
    server.faults.nodes.fail(class_type="SaveImage")
    bad = await client.submit(picture(2))
    await server.until_done(bad.prompt_id)

    for prompt_id in (good.prompt_id, bad.prompt_id):
        entry = (await client.history(prompt_id))[prompt_id]["status"]
        server.faults.history.alter(prompt_id, status={**entry, "status_str": status_str})

    assert names(await soon(client.attach(good.prompt_id).result())) == ["c1_00001_.png"]
    with pytest.raises(JobFailed):
        await soon(client.attach(bad.prompt_id).result())


async def test_a_cycle_at_run_time_is_a_failure_although_it_is_recorded_as_success(
    server: Server, client: Client
) -> None:
    graph = picture()
    graph["3"] = {
        "class_type": "TestDynamicDependencyCycle",
        "inputs": {"input1": ["1", 0], "input2": ["1", 0]},
    }
    graph["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}

    with pytest.raises(JobFailed, match="cycle"):
        await soon(client.run(graph))


async def test_a_server_whose_worker_died_leaves_the_wait_to_the_callers_own_limit(
    server: Server, client: Client
) -> None:
    server.faults.nodes.kill_worker(class_type="SaveImage")
    job = await client.submit(picture())
    await server.until(lambda: any(run.how == "died" for run in server.log))

    with pytest.raises(TimeoutError, match="still on the server"):
        await job.result(timeout=0.5, cancel_on_timeout=False)


async def test_one_failed_prompt_settles_no_other(server: Server, client: Client) -> None:
    failing = await client.submit(picture(1))
    server.faults.nodes.fail(class_type="SaveImage", prompt_id=failing.prompt_id)
    jobs = [failing, *[await client.submit(picture(number)) for number in range(2, 6)]]

    ends = await soon(asyncio.gather(*(job.result() for job in jobs), return_exceptions=True))

    assert [type(end).__name__ for end in ends] in (
        ["JobFailed", *["Result"] * 4],
        ["Result"] * 5,  # it had run before the fault was scripted
    )
