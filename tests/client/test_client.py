from __future__ import annotations

import asyncio
import json
import logging
import traceback
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from tests.client.graphs import image, over_socket, show, text_to_image
from tests.client.proxy import May, proxy_to
from tests.transport.apps import replying

from comfywire import (
    Client,
    ComfywireError,
    ConnectionFailed,
    ConnectionLost,
    Executing,
    InvalidParameter,
    Job,
    JobLost,
    ServerError,
    UnknownNode,
    UnreadableWorkflow,
    Workflow,
    WorkflowRejected,
)
from comfywire.server import Server

# Before it is open, and after


USES: dict[str, Callable[[Client], Any]] = {
    "submit": lambda client: client.submit(image()),
    "run": lambda client: client.run(image()),
    "attach": lambda client: client.attach(str(uuid.uuid4())),
    "client_id": lambda client: client.client_id,
    "queue": lambda client: client.queue(),
    "upload": lambda client: client.upload(b"x"),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_client_that_is_not_open_says_how_to_open_it(server: Server, use, moment):
    client = Client(server.url)
    if moment == "after":
        async with client:
            await client.run(image())

    with pytest.raises(RuntimeError, match="this client is not open: use `async with"):
        await use(client)


async def test_a_client_can_be_opened_again(server: Server):
    client = Client(server.url)
    for _ in range(2):
        async with client:
            assert (await client.run(image())).outputs


async def test_a_client_cannot_be_opened_twice_at_once(client: Client):
    with pytest.raises(RuntimeError, match="open already"):
        await client.__aenter__()

    assert await client.queue()


async def test_outputs_cannot_be_fetched_after_the_client_was_closed(server: Server, tmp_path):
    async with Client(server.url) as client:
        result = await client.run(image())

    with pytest.raises(RuntimeError, match="this client is closed: read and save outputs before"):
        await result.save(tmp_path)


async def test_those_who_wait_when_the_client_closes_learn_it(server: Server):
    server.faults.nodes.hold()
    async with Client(server.url) as client:
        job = await client.submit(image())

        async def read_events() -> None:
            async for _ in job.events():
                pass

        waiting = [asyncio.create_task(job.result()) for _ in range(3)]
        reading = asyncio.create_task(read_events())
        await server.until_running(job.prompt_id)

    for waiter in waiting:
        with pytest.raises(ConnectionLost, match="the client was closed while the prompt was open"):
            await waiter
    await reading


@pytest.mark.parametrize("moment", ["GET /ws", "POST /prompt"])
async def test_a_submission_learns_that_the_client_was_closed_meanwhile(server: Server, moment):
    server.faults.replies.stall(moment)
    async with Client(server.url) as client:
        submitting = asyncio.create_task(client.submit(image()))
        await server.until(lambda: server.requests[moment] == 1)

    with pytest.raises((ConnectionFailed, ConnectionLost), match="the client was closed"):
        await submitting


async def test_nothing_is_left_running_by_a_client(server: Server):
    before = asyncio.all_tasks()
    async with Client(server.url) as client:
        await client.run(text_to_image())
        async for _ in (await client.submit(image())).events():
            break

    assert {task for task in asyncio.all_tasks() - before if "comfywire" in task.get_name()} == set()
    await server.until(lambda: not server.life.sockets.opened)


async def test_a_client_that_only_asks_opens_no_socket(server: Server, client: Client):
    await client.queue()

    assert server.requests["GET /ws"] == 0


# Submitting


async def test_a_prompt_is_submitted_under_an_id_of_ours_and_our_client_id(server: Server, client: Client):
    hold = server.faults.nodes.hold()

    job = await client.submit(image())
    await server.until_running(job.prompt_id)

    assert uuid.UUID(job.prompt_id).version == 4
    assert job.prompt_id in await client.queue()
    assert server.life.queue.snapshot()[0][0][3]["client_id"] == client.client_id
    hold.release()


async def test_a_prompt_is_submitted_under_the_callers_id(client: Client):
    prompt_id = str(uuid.uuid4())

    assert (await client.submit(image(), prompt_id=prompt_id)).prompt_id == prompt_id


@pytest.mark.parametrize(
    "prompt_id", ["", "job-1", "6F9619FF-8B86-4011-B42D-00C04FC964FF", "6f9619ff8b864011b42d00c04fc964ff"]
)
async def test_an_id_that_newer_servers_refuse_is_the_callers_mistake(
    server: Server, client: Client, prompt_id
):
    with pytest.raises(ValueError, match="is not a lowercase UUID"):
        await client.submit(image(), prompt_id=prompt_id)

    assert server.requests["POST /prompt"] == 0


async def test_an_id_that_is_open_cannot_be_submitted_again(server: Server, client: Client):
    hold = server.faults.nodes.hold()
    job = await client.submit(image())

    with pytest.raises(ValueError, match="is open on this client already: attach to it"):
        await client.submit(image(), prompt_id=job.prompt_id)

    hold.release()
    assert (await job.result()).outputs
    assert len(server.runs(job.prompt_id)) == 1


async def test_an_id_that_is_submitted_twice_at_once_runs_once(server: Server, client: Client):
    prompt_id = str(uuid.uuid4())

    jobs = await asyncio.gather(
        *(client.submit(image(), prompt_id=prompt_id) for _ in range(2)), return_exceptions=True
    )
    (job,) = [job for job in jobs if isinstance(job, Job)]
    await job.result()

    assert sum(isinstance(job, ValueError) for job in jobs) == 1
    assert len(server.runs(prompt_id)) == 1


async def test_an_id_may_be_used_again_once_its_prompt_has_ended(client: Client):
    first = await client.run(image())

    second = await client.run(image(7), prompt_id=first.prompt_id)

    assert second.prompt_id == first.prompt_id
    assert await second.outputs[0].read() != await first.outputs[0].read()


@pytest.mark.parametrize("kind", ["dict", "Workflow", "path", "str", "text", "bytes"])
async def test_whatever_holds_a_workflow_is_run(client: Client, tmp_path, kind):
    path = tmp_path / "workflow_api.json"
    path.write_text(json.dumps(image()))
    sources = {
        "dict": image(),
        "Workflow": Workflow.load(image()),
        "path": path,
        "str": str(path),
        "text": json.dumps(image()),
        "bytes": json.dumps(image()).encode(),
    }

    assert len((await client.run(sources[kind])).outputs) == 1


@pytest.mark.parametrize("workflow", [{}, {"a": 1}, "no such file.json", b"junk"], ids=str)
async def test_what_is_no_workflow_is_never_sent(server: Server, client: Client, workflow):
    with pytest.raises(UnreadableWorkflow):
        await client.run(workflow)

    assert server.requests["POST /prompt"] == 0


async def test_a_rejected_prompt_says_what_is_wrong_with_each_input(server: Server, client: Client):
    prompt = text_to_image(steps=0)
    prompt["4"]["inputs"]["ckpt_name"] = "comfywire-placeholder"

    with pytest.raises(WorkflowRejected) as rejection:
        await client.submit(prompt)

    assert "node 3 (KSampler): steps 0 is below the minimum 1" in rejection.value.sentences
    wrong = "node 4 (CheckpointLoaderSimple): ckpt_name 'comfywire-placeholder' is not offered; did you mean"
    assert wrong in str(rejection.value)
    assert sorted(rejection.value.node_errors) == ["3", "4"]
    assert (await client.run(image())).outputs


async def test_a_rejection_of_many_nodes_is_read_to_its_end(client: Client):
    prompt: dict[str, Any] = {}
    for number in range(100):
        empty, saver = image().values()
        empty["inputs"]["width"] = "x" * 5000
        saver["inputs"]["images"] = [f"e{number}", 0]
        prompt |= {f"e{number}": empty, f"s{number}": saver}

    with pytest.raises(WorkflowRejected) as rejection:
        await client.submit(prompt)

    assert len([node_id for node_id in rejection.value.node_errors if node_id.startswith("e")]) == 100


async def test_outputs_that_the_validator_dropped_are_named(client: Client):
    prompt = {**image(), "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}

    job = await client.submit(prompt)
    result = await job.result()

    assert list(job.node_errors) == ["9"]
    assert result.warnings == [
        "output node 9 (SaveImage) was dropped: node 9 (SaveImage): input 'images' is missing"
    ]
    assert [output.node_id for output in result.outputs] == ["2"]


async def test_each_dropped_output_is_told_its_own_reason(client: Client):
    stray = {"class_type": "SaveImage", "inputs": {"images": ["77", 0], "filename_prefix": "x"}}
    prompt = {**image(), "8": stray, "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}

    result = await client.run(prompt, require_outputs=False)

    nowhere, missing = sorted(result.warnings)
    assert nowhere.startswith("output node 8 (SaveImage) was dropped: node 8 (SaveImage): input 'images'")
    assert nowhere.endswith("is linked to node '77', which is not there")
    assert missing == "output node 9 (SaveImage) was dropped: node 9 (SaveImage): input 'images' is missing"


async def test_one_mistake_that_costs_two_outputs_names_both(client: Client):
    inverted = {"class_type": "ImageInvert", "inputs": {}}
    save = {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "x"}}
    prompt = {**image(), "5": inverted, "8": save, "9": dict(save)}
    result = await client.run(prompt, require_outputs=False)

    (warning,) = result.warnings
    assert warning.startswith("output nodes ")
    assert "8 (SaveImage)" in warning
    assert "9 (SaveImage) " in warning.replace(",", " ")
    assert "were dropped: node 5 (ImageInvert): input 'image' is missing" in warning


async def test_only_the_targets_run(client: Client):
    job = await client.submit({**image(), **show(text=["x"])}, targets=["9"])

    assert [output.node_id for output in (await job.result()).outputs] == ["9"]
    assert job.progress.nodes_total == 1


async def test_what_the_cache_holds_of_other_nodes_is_no_output_of_targets(server: Server, client: Client):
    both = {**image(), **show(text=["x"])}
    first = await client.run(both)
    job = await client.submit(both, targets=["9"])
    await server.until_done(job.prompt_id)
    # As 0.3.64 answers: history lists the cached outputs of every node in the graph (execution.py).
    entry = (await client.history(first.prompt_id))[first.prompt_id]
    server.faults.history.alter(job.prompt_id, outputs=entry["outputs"])

    assert [output.node_id for output in (await job.result()).outputs] == ["9"]


async def test_extra_data_goes_along_without_nulls(server: Server, client: Client):
    hold = server.faults.nodes.hold()

    job = await client.submit(image(), extra_data={"api_key_comfy_org": "key", "nothing": None})
    await server.until_running(job.prompt_id)

    extra_data = server.life.queue.snapshot()[0][0][3]
    assert extra_data == {"api_key_comfy_org": "key", "client_id": client.client_id}
    hold.release()


async def test_the_editors_document_goes_along_with_its_prompt(client: Client):
    workflow = Workflow(image(), document={"nodes": [], "version": 0.4})

    picture = await (await client.run(workflow)).outputs[0].read()

    assert Workflow.load(picture).prompt == image()
    assert b'"version": 0.4' in picture


# Running


async def test_inputs_are_set_and_the_workflow_is_left_as_it_was(client: Client):
    workflow = Workflow.load(image())

    result = await client.run(workflow, inputs={"EmptyImage.width": 32, "2.filename_prefix": "mine"})

    assert result.outputs[0].filename == "mine_00001_.png"
    assert (await result.outputs[0].read())[16:20] == (32).to_bytes(4, "big")
    assert workflow.prompt == image()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        pytest.param("KSampler.seed", UnknownNode, id="no-such-node"),
        pytest.param("EmptyImage.widht", InvalidParameter, id="no-such-input"),
        pytest.param("what", InvalidParameter, id="no-such-parameter"),
    ],
)
async def test_an_input_that_does_not_fit_is_never_sent(server: Server, client: Client, name, error):
    with pytest.raises(error):
        await client.run(image(), inputs={name: 1})

    assert server.requests["POST /prompt"] == 0


async def test_a_cancelled_run_withdraws_its_prompt(server: Server, client: Client):
    server.faults.nodes.hold(node_id="2")
    prompt_id = str(uuid.uuid4())
    running = asyncio.create_task(client.run(image(), prompt_id=prompt_id))
    await server.until_executing(prompt_id, "2")

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert [run.how for run in server.runs(prompt_id)] == ["interrupted"]
    assert prompt_id not in await client.queue()


async def test_a_cancelled_run_withdraws_a_prompt_that_waits(server: Server, client: Client):
    hold = server.faults.nodes.hold()
    first = await client.submit(image(1))
    await server.until_running(first.prompt_id)
    prompt_id = str(uuid.uuid4())
    running = asyncio.create_task(client.run(image(), prompt_id=prompt_id))
    await server.until(lambda: server.life.queue.remaining() == 2)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await client.queue()).pending == ()
    hold.release()
    assert (await first.result()).outputs
    assert server.runs(prompt_id) == []


async def test_a_run_that_is_cancelled_while_it_is_sent_leaves_nothing_behind(server: Server, client: Client):
    hold = server.faults.nodes.hold()
    first = await client.submit(image(1))
    await server.until_running(first.prompt_id)
    server.faults.replies.delay("POST /prompt", 0.1, when="after")
    prompt_id = str(uuid.uuid4())
    running = asyncio.create_task(client.run(image(), prompt_id=prompt_id))
    await server.until(lambda: server.life.queue.remaining() == 2)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await client.queue()).pending == ()
    hold.release()


async def test_a_run_of_a_task_group_that_fails_is_withdrawn(server: Server, client: Client):
    server.faults.nodes.hold(node_id="2")
    prompt_id = str(uuid.uuid4())

    async def fail() -> None:
        await server.until_executing(prompt_id, "2")
        raise LookupError

    async def run_beside_a_failure() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(client.run(image(), prompt_id=prompt_id))
            group.create_task(fail())

    with pytest.raises(ExceptionGroup):
        await run_beside_a_failure()

    assert [run.how for run in server.runs(prompt_id)] == ["interrupted"]


@pytest.mark.parametrize("resubmit", [0, 1])
async def test_a_prompt_that_was_lost_runs_again_only_if_that_is_asked_for(server, client: Client, resubmit):
    hold = server.faults.nodes.hold()
    first = await client.submit(image(1))
    prompt_id = str(uuid.uuid4())
    running = asyncio.create_task(client.run(image(2), prompt_id=prompt_id, resubmit=resubmit))
    await server.until(lambda: prompt_id in {entry[1] for entry in server.life.queue.snapshot()[1]})
    server.faults.prompts.delete(prompt_id)
    await server.until(lambda: running.done() or server.requests["POST /prompt"] == 3)
    hold.release()
    await first.result()
    await asyncio.wait([running])

    assert isinstance(running.exception(), JobLost) == (resubmit == 0)
    assert len(server.runs(prompt_id)) == resubmit


# Attaching


async def test_a_prompt_of_another_client_can_be_attached_to(server: Server, client: Client):
    hold = server.faults.nodes.hold(node_id="2")
    async with Client(server.url) as other:
        submitted = await other.submit(image())
        await server.until_executing(submitted.prompt_id, "2")

        job = client.attach(submitted.prompt_id)
        waiting = asyncio.create_task(job.result())
        await server.until(lambda: server.requests["GET /queue"] > 0)
        hold.release()

        assert [output.filename for output in (await waiting).outputs] == ["test_00001_.png"]


@pytest.mark.parametrize("takes_over", [True, False])
async def test_who_takes_a_prompt_over_hears_what_its_submitter_would(
    server: Server, client: Client, *, takes_over: bool
):
    hold, before = server.faults.nodes.hold(node_id="1"), set(server.life.sockets.by_sid)
    async with Client(server.url) as gone:
        submitted = await gone.submit(over_socket())
        await server.until_executing(submitted.prompt_id, "1")
    await server.until(lambda: set(server.life.sockets.by_sid) == before)
    job = client.attach(submitted.prompt_id, takes_over=takes_over)
    await server.until(lambda: server.requests["GET /queue"] > 0)
    if takes_over:
        async with asyncio.timeout(60):
            async for event in job.events():
                if isinstance(event, Executing):  # who connects is told what runs
                    break
        await server.until(
            lambda: all(server.life.sockets.flags.values())
        )  # else the picture names no prompt
    hold.release()

    assert len((await job.result()).outputs) == takes_over


async def test_a_prompt_that_has_ended_can_be_attached_to(server: Server):
    async with Client(server.url) as other:
        done = await other.run({**image(), **show(text=["x"])})

    async with Client(server.url) as client:
        result = await client.attach(done.prompt_id).result(timeout=60)

    assert [output.node_id for output in result.outputs] == ["2", "9"]


async def test_attaching_to_an_unknown_prompt_ends_as_lost(client: Client):
    job = client.attach("never-seen")

    with pytest.raises(
        JobLost, match=r"never-seen is no longer on .* it was never seen there; is that its"
    ) as lost:
        await job.result(timeout=60)

    assert lost.value.prompt_id == "never-seen"


async def test_several_handles_on_one_prompt_all_learn_its_end(server: Server, client: Client):
    hold = server.faults.nodes.hold()
    job = await client.submit(image())
    handles = [job, client.attach(job.prompt_id), client.attach(job.prompt_id)]
    waiting = [asyncio.create_task(handle.result()) for handle in handles]
    hold.release()

    results = await asyncio.gather(*waiting)

    assert {result.outputs[0].filename for result in results} == {"test_00001_.png"}


# Who we are


SECRET = "s3cret"


def by_basic(request: web.Request) -> bool:
    return request.headers.get("Authorization") == "Basic bWU6czNjcmV0QC8="  # me:s3cret@/


def by_bearer(request: web.Request) -> bool:
    return request.headers.get("Authorization") == f"Bearer {SECRET}"


def by_header(request: web.Request) -> bool:
    return request.headers.get("X-Key") == SECRET


def by_query(request: web.Request) -> bool:
    return request.query.get("token") == f"{SECRET}+/="


WAYS_IN: dict[str, tuple[May, str, dict[str, Any]]] = {
    "userinfo": (by_basic, "http://me:s3cret%40%2F@{host}/gpu/1/", {}),
    "token": (by_bearer, "http://{host}/gpu/1", {"token": SECRET}),
    "headers": (by_header, "{host}/gpu/1", {"headers": {"X-Key": SECRET}}),
    "query": (by_query, "http://{host}/gpu/1?token=s3cret%2B/=", {}),
}


@pytest.mark.parametrize(("may", "url", "options"), WAYS_IN.values(), ids=WAYS_IN)
async def test_everything_works_behind_a_proxy_that_asks_who_we_are(
    server: Server, may, url, options, caplog
):
    caplog.set_level(logging.DEBUG)
    async with (
        proxy_to(server.url, prefix="/gpu/1", may=may) as address,
        Client(url.format(host=address.removeprefix("http://")), **options) as client,
    ):
        result = await client.run({**over_socket(), **show(images=[{"filename": "a.bin"}])})
        upload = await client.upload(b"x", name="x")

        assert await result.outputs[1].read() == b"content"
        assert (await result.outputs[0].read()).startswith(b"\x89PNG")
        assert str(upload) == "x"
        counts = client.counts
        shown = f"{client!r} {client.url} {client.attach(result.prompt_id)!r} {result!r}"

    assert SECRET not in shown + caplog.text
    assert "sockets_lost" not in counts


@pytest.mark.parametrize(("may", "url", "options"), WAYS_IN.values(), ids=WAYS_IN)
async def test_no_error_shows_who_we_are(server: Server, may, url, options, caplog):
    caplog.set_level(logging.DEBUG)
    async with proxy_to(server.url, prefix="/gpu/1", may=lambda request: False) as address:
        host = address.removeprefix("http://")
        client = Client(url.format(host=host), **options)
        failures = [await failure_of(client)]
    failures.append(await failure_of(client))

    assert [type(failure) for failure in failures] == [ServerError, ConnectionFailed]
    told = "".join("".join(traceback.format_exception(failure)) + repr(failure) for failure in failures)
    assert SECRET not in told + caplog.text
    assert "Basic" not in told


async def failure_of(client: Client) -> BaseException:
    with pytest.raises(ComfywireError) as failure:
        async with client:
            await client.run(image())
    return failure.value


async def test_a_server_that_wants_a_login_is_its_error_at_once(server: Server):
    async with (
        proxy_to(server.url, prefix="/gpu/1", may=by_basic) as address,
        Client(f"{address}/gpu/1") as client,
    ):
        with pytest.raises(ServerError, match="401") as refusal:
            await client.submit(image())

    assert refusal.value.status == 401


# Nothing of aiohttp's


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda client: client.submit(image()), id="submit"),
        pytest.param(lambda client: client.upload(b"x"), id="upload"),
        pytest.param(lambda client: client.queue(), id="queue"),
        pytest.param(lambda client: client.view("a.png"), id="view"),
    ],
)
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        pytest.param(b"", ConnectionLost, id="closed"),
        pytest.param(b"junk\r\n\r\n", ConnectionLost, id="not-http"),
        pytest.param(b"HTTP/1.1 500 x\r\nContent-Length: 1\r\n\r\nx", ServerError, id="broken-server"),
    ],
)
async def test_whatever_the_server_does_the_error_is_ours(use, reply, error):
    async with replying(reply) as url, Client(url, connect_timeout=1) as client:
        with pytest.raises(ComfywireError) as failure:
            await use(client)

    assert isinstance(failure.value, (error, ConnectionFailed))


async def test_a_server_that_is_not_there_is_told_before_anything_is_queued(server: Server):
    await server.faults.life.refuse_connections()
    async with Client(server.url) as client:
        with pytest.raises(ConnectionFailed, match=f"no ComfyUI was reached at {server.url} .*is it running"):
            await client.submit(image())

        await server.faults.life.accept_connections()
        assert (await client.run(image())).outputs
