from __future__ import annotations

import asyncio
import json
import struct
import threading
from typing import Any, ClassVar

import pytest
from tests.client.graphs import image, over_socket, show, text_to_image
from tests.soon import soon

from comfywire import (
    Client,
    ConnectionFailed,
    ConnectionLost,
    Executed,
    Executing,
    ExecutionCached,
    ExecutionError,
    ExecutionStart,
    ExecutionSuccess,
    Job,
    JobFailed,
    JobInterrupted,
    JobProgress,
    JobTimedOut,
    PreviewImage,
    Progress,
    ProgressState,
)
from comfywire.server import Server
from comfywire.server.execution.node_host import NodeHost

NEWS = (PreviewImage, Progress, ProgressState)


async def events_of(job: Job) -> list[Any]:
    return [event async for event in job.events()]


# Events


async def test_who_passes_messages_on_has_each_with_its_frame_what_was_before_included(client: Client):
    early: list[tuple[Any, Any]] = []
    late: list[tuple[Any, Any]] = []
    job = await client.submit(image())
    with job.told_to(lambda event, frame: early.append((event, frame))):
        await job.result()
    with job.told_to(lambda event, frame: late.append((event, frame))):
        pass

    once = [(event, frame) for event, frame in early if not isinstance(event, NEWS)]
    assert [event for event, _ in once] == [event for event, _ in late if not isinstance(event, NEWS)]
    assert [json.loads(frame)["type"] for _, frame in once][-3:] == [
        "executed",
        "execution_success",
        "executing",
    ]
    assert [type(event) for event, _ in late][-1] is ProgressState


async def test_what_the_history_says_is_there_as_the_server_wrote_it(client: Client):
    job = await client.submit(image())
    await job.result()

    assert job.history is not None
    assert list(job.history["outputs"]) == ["2"]
    assert job.history["status"]["status_str"] == "success"
    assert job.history["status"]["messages"][-1][0] == "execution_success"


async def test_events_are_the_messages_of_this_prompt_to_its_end(server: Server, client: Client):
    hold = server.faults.nodes.hold(node_id="1")
    job = await client.submit(image())
    reading = asyncio.create_task(events_of(job))
    await server.until_executing(job.prompt_id, "1")
    await server.faults.messages.foreign()
    hold.release()

    heard = [event for event in await reading if not isinstance(event, NEWS)]

    assert [type(event) for event in heard] == [
        ExecutionStart,
        ExecutionCached,
        Executing,
        Executing,
        Executed,
        ExecutionSuccess,
        Executing,
    ]
    assert {event.prompt_id for event in heard} == {job.prompt_id}


@pytest.mark.parametrize("when", ["after-the-end", "in-the-middle"])
async def test_a_late_reader_gets_what_happened_once(server: Server, client: Client, when):
    hold = server.faults.nodes.hold(node_id="2")
    job = await client.submit(image())
    early = asyncio.create_task(events_of(job))
    await server.until_executing(job.prompt_id, "2")
    if when == "after-the-end":
        hold.release()
        await job.result()
    late = asyncio.create_task(events_of(job))
    await asyncio.sleep(0)
    hold.release()

    first, second = await asyncio.gather(early, late)

    assert [event for event in second if not isinstance(event, NEWS)] == [
        event for event in first if not isinstance(event, NEWS)
    ]
    assert isinstance(second[-1], Executing)
    assert second[-1].node is None


async def test_a_reader_who_stops_reading_holds_up_nobody(server: Server, client: Client):
    job = await client.submit(text_to_image(steps=60))
    stalled = aiter(job.events())
    await anext(stalled)
    others = [asyncio.create_task(events_of(job)) for _ in range(2)]

    result = await asyncio.wait_for(job.result(), 60)

    assert len(result.outputs) == 1
    for heard in await asyncio.gather(*others):
        assert heard[-1] == Executing(job.prompt_id, None)
    rest = [event async for event in stalled]
    assert len([event for event in rest if isinstance(event, PreviewImage)]) <= 2
    assert rest[-1] == Executing(job.prompt_id, None)


async def test_a_reader_who_leaves_early_can_come_back(client: Client):
    job = await client.submit(image())
    async for event in job.events():
        assert isinstance(event, ExecutionStart)
        break

    assert isinstance((await events_of(job))[0], ExecutionStart)


async def test_previews_are_named_by_node(client: Client):
    heard = await events_of(await client.submit(text_to_image()))

    previews = [event for event in heard if isinstance(event, PreviewImage)]
    assert {(preview.node_id, preview.media_type) for preview in previews} == {("3", "image/jpeg")}
    assert previews[-1].image.startswith(b"\xff\xd8")


async def test_large_pictures_and_texts_come_over_the_socket(client: Client):
    prompt = over_socket()
    prompt["1"]["inputs"] |= {"width": 1600, "height": 1600}
    prompt["1"]["class_type"] = "EmptyImage"
    noisy = {"class_type": "Show", "inputs": show("x", text=["x" * 6_000_000])["9"]["inputs"]}

    result = await client.run({**prompt, "9": noisy})

    assert struct.unpack(">II", (await result.outputs[0].read())[16:24]) == (1600, 1600)
    assert len(result.outputs[1].value) == 6_000_000


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "text"])
async def test_a_frame_of_five_mebibytes_breaks_nothing(server: Server, client: Client, binary):
    hold = server.faults.nodes.hold(node_id="2")
    job = await client.submit(image())
    await server.until_executing(job.prompt_id, "2")
    await server.faults.messages.oversized(binary=binary)
    hold.release()

    assert (await events_of(job))[-1] == Executing(job.prompt_id, None)
    assert "sockets_lost" not in client.counts


async def test_junk_on_the_socket_is_nobodys_message(server: Server, client: Client):
    hold = server.faults.nodes.hold(node_id="2")
    job = await client.submit(image())
    await server.until_executing(job.prompt_id, "2")
    await server.faults.messages.junk()
    hold.release()

    assert (await job.result()).outputs
    assert "sockets_lost" not in client.counts


# Progress


async def test_progress_never_falls_and_ends_at_one(server: Server, client: Client):
    graph = text_to_image(steps=20)
    holds = {node_id: server.faults.nodes.hold(node_id=node_id) for node_id in graph}
    shown: list[JobProgress] = []

    def see(progress: JobProgress) -> None:
        shown.append(progress)
        if progress.node_id is not None:  # no node goes on before it was seen
            holds[progress.node_id].release()

    await client.run(graph, on_progress=see)

    fractions = [progress.fraction for progress in shown]
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 5
    assert (shown[-1].fraction, shown[-1].phase) == (1.0, "done")
    assert (shown[-1].nodes_done, shown[-1].nodes_total) == (7, 7)


class Halfway:
    """Is at two steps of four until somebody has seen it."""

    RETURN_TYPES = ()
    FUNCTION = "go"
    OUTPUT_NODE = True
    host: ClassVar[NodeHost]
    seen: ClassVar[threading.Event]

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        return {"required": {}}

    def go(self) -> dict[str, Any]:
        self.host.progress(2, 4)
        while not self.seen.wait(0.01):
            self.host.sleep(0)
        return {"ui": {"text": ["seen"]}}


async def test_progress_names_the_node_and_its_steps():
    prompt = {"2": {"class_type": "Halfway", "inputs": {}, "_meta": {"title": "my node"}}}
    Halfway.seen = threading.Event()
    shown: list[JobProgress] = []

    def see(progress: JobProgress) -> None:
        shown.append(progress)
        if (progress.value, progress.max) == (2, 4):
            Halfway.seen.set()

    async with Server(nodes={"Halfway": Halfway}) as server, Client(server.url) as client:
        await client.run(prompt, on_progress=see)

    halfway = next(progress for progress in shown if progress.value == 2)
    assert (halfway.node_id, halfway.class_type, halfway.title) == ("2", "Halfway", "my node")


async def test_a_cached_prompt_is_shown_to_its_end(client: Client):
    await client.run(image())
    shown: list[JobProgress] = []

    await client.run(image(), on_progress=shown.append)

    assert shown[-1].fraction == 1.0


async def test_progress_ends_at_one_when_the_end_was_not_heard(server: Server, client: Client):
    server.faults.messages.drop("execution_success")
    server.faults.messages.drop("progress_state", times=None)
    shown: list[JobProgress] = []

    await client.run(text_to_image(), on_progress=shown.append)

    assert shown[-1].fraction == 1.0


async def test_a_failed_job_does_not_end_at_one(server: Server, client: Client):
    server.faults.nodes.fail(node_id="2")
    shown: list[JobProgress] = []

    with pytest.raises(JobFailed):
        await client.run(image(), on_progress=shown.append)

    assert shown[-1].phase == "done"
    assert shown[-1].fraction < 1


async def test_the_place_in_the_queue_is_shown(server: Server, client: Client):
    hold = server.faults.nodes.hold()
    jobs = [await client.submit(image(color)) for color in range(3)]
    await server.until_running(jobs[0].prompt_id)
    late = client.attach(jobs[2].prompt_id)
    async with Client(server.url) as other:
        attached = other.attach(jobs[2].prompt_id)
        waiting = asyncio.create_task(attached.result())
        await server.until(lambda: attached.progress.position is not None)
        await server.until(lambda: jobs[0].progress.phase == "running")

        assert attached.progress.position == 2
        assert late.progress.phase == "pending"
        hold.release()
        await waiting


@pytest.mark.parametrize(
    "raised", [LookupError("mine"), TimeoutError("mine"), asyncio.CancelledError()], ids=repr
)
async def test_what_a_callback_raises_ends_the_run_and_its_prompt(server: Server, client: Client, raised):
    server.faults.nodes.hold(node_id="2")

    def fail(progress: JobProgress) -> None:
        if progress.node_id == "2":
            raise raised

    with pytest.raises(type(raised)) as failure:
        await client.run(image(), on_progress=fail)

    assert failure.value is raised
    assert [run.how for run in server.log] == ["interrupted"]


# Results


async def test_a_result_can_be_asked_for_again(client: Client):
    job = await client.submit(image())

    assert (await job.result()).outputs == (await job.result()).outputs
    assert job.is_done


async def test_giving_up_the_wait_leaves_the_prompt_alone(server: Server, client: Client):
    hold = server.faults.nodes.hold(node_id="2")
    job = await client.submit(image())
    waiting = asyncio.create_task(job.result())
    await server.until_executing(job.prompt_id, "2")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    hold.release()

    assert len((await job.result()).outputs) == 1


async def test_a_job_that_takes_too_long_is_cancelled(server: Server, client: Client):
    server.faults.nodes.hold(node_id="2")
    stalled = server.faults.replies.stall("POST /prompt", when="after")  # its time begins with the reply

    async def let_it_reply() -> None:
        await server.until(lambda: stalled.hits == 1 and any("2" in run.nodes for run in server.log))
        server.faults.replies.release()

    with pytest.raises(JobTimedOut, match=r"did not end within 0\.1 seconds and was cancelled") as late:
        await asyncio.gather(
            client.run({**image(), **show(text=["x"])}, timeout=0.1),
            let_it_reply(),
        )

    assert isinstance(late.value, TimeoutError)
    assert [run.how for run in server.runs(late.value.prompt_id)] == ["interrupted"]
    assert late.value.prompt_id not in await client.queue()


async def test_a_job_that_waits_too_long_is_taken_out_of_the_queue(server: Server, client: Client):
    hold = server.faults.nodes.hold()
    first = await client.submit(image(1))
    await server.until_running(first.prompt_id)

    with pytest.raises(JobTimedOut, match="and was cancelled"):
        await client.run(image(2), timeout=0.1)

    assert (await client.queue()).pending == ()
    hold.release()
    assert (await first.result()).outputs


async def test_a_job_that_takes_too_long_is_left_alone_if_that_is_asked_for(server: Server, client: Client):
    hold = server.faults.nodes.hold(node_id="2")
    job = await client.submit(image())

    with pytest.raises(JobTimedOut, match="it is still on the server"):
        await job.result(timeout=0.1, cancel_on_timeout=False)
    hold.release()

    assert len((await job.result(timeout=60)).outputs) == 1


async def test_a_timed_out_job_has_what_was_finished_before(server: Server, client: Client):
    server.faults.nodes.hold(node_id="9")
    prompt = {**image(), **show(text=["x"])}
    prompt["9"]["inputs"]["after"] = ["5", 0]
    prompt["5"] = {"class_type": "TestSleep", "inputs": {"value": ["1", 0], "seconds": 0.05}}

    job = await client.submit(prompt)
    await server.until_executing(job.prompt_id, "9")
    with pytest.raises(JobTimedOut) as late:
        await job.result(timeout=0.1)

    assert [output.filename for output in late.value.outputs] == ["test_00001_.png"]


# Cancelling


@pytest.mark.parametrize("state", ["running", "pending"])
async def test_cancelling_ends_this_prompt_and_no_other(server: Server, client: Client, state):
    hold = server.faults.nodes.hold(node_id="2")
    running, pending = await client.submit(image(1)), await client.submit(image(2))
    await server.until_executing(running.prompt_id, "2")
    target, other = (running, pending) if state == "running" else (pending, running)

    assert await target.cancel() is True

    with pytest.raises(JobInterrupted):
        await target.result()
    hold.release()
    assert (await other.result()).outputs


async def test_cancelling_what_has_ended_does_nothing(client: Client):
    job = await client.submit(image())
    await job.result()

    assert await job.cancel() is False
    assert (await job.result()).outputs


async def test_what_cannot_be_cancelled_any_more_is_not_said_to_be(server: Server):
    server.faults.nodes.hold(node_id="2")
    async with Client(server.url) as client:
        job = await client.submit(image())
        await server.until_executing(job.prompt_id, "2")

    with pytest.raises(ConnectionLost, match="the client was closed while the prompt was open"):
        await job.cancel()


async def test_a_server_that_does_not_let_go_in_time_is_told(server: Server, client: Client):
    server.faults.replies.stall("GET /queue", times=None)
    hold = server.faults.nodes.hold(node_id="2")
    job = await client.submit(image())

    with pytest.raises(TimeoutError):
        await job.cancel(timeout=0.1)

    server.faults.clear()
    hold.release()
    assert (await job.result()).outputs


async def test_a_job_that_fails_says_where(server: Server, client: Client):
    server.faults.nodes.fail("no memory\nleft", exception_type="torch.OutOfMemoryError", node_id="1")
    job = await client.submit(image())

    with pytest.raises(
        JobFailed, match=r"node 1 \(EmptyImage\) raised torch.OutOfMemoryError: no memory$"
    ) as failed:
        await job.result()

    error = failed.value
    assert (error.prompt_id, error.node_id, error.class_type) == (job.prompt_id, "1", "EmptyImage")
    assert (error.exception_type, error.exception_message) == ("torch.OutOfMemoryError", "no memory\nleft")
    assert any("Traceback" in line or "File" in line for line in error.traceback)
    assert any(isinstance(event, ExecutionError) for event in await events_of(job))


async def test_a_submission_does_not_wait_until_the_socket_would_be_tried_again(server: Server):
    async with Client(server.url) as client:
        await server.faults.life.refuse_connections()

        async def submit_in_vain() -> None:
            for _ in range(6):  # pauses between tries alone would add up to three seconds
                with pytest.raises(ConnectionFailed):
                    await client.submit(image())

        await soon(submit_in_vain(), 1.5)


async def test_a_server_that_stays_away_ends_the_wait(server: Server):
    server.faults.nodes.hold(node_id="2")
    async with Client(server.url, unreachable_timeout=0.2) as client:
        job = await client.submit(image())
        await server.until_executing(job.prompt_id, "2")
        await server.faults.life.refuse_connections()

        with pytest.raises(ConnectionLost, match=r"has not answered for 0\.2 seconds; the prompt may still"):
            await soon(job.result(), 5)


def test_a_job_shows_its_prompt_and_phase():
    assert repr(JobProgress("p", "pending", 0.0, 0, 1)).startswith("JobProgress(prompt_id='p'")
