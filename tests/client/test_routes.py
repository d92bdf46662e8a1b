from __future__ import annotations

import io
from typing import Any

import pytest
from aiohttp import web
from PIL import Image
from tests.client.graphs import file, image, show
from tests.transport.apps import serving

from comfywire import Client, JobInterrupted, JobLost, ServerError, UnexpectedReply
from comfywire.server import Faults, Server


async def test_the_queue_lists_prompts_in_the_order_in_which_they_will_run(server: Server, client: Client):
    hold = server.faults.nodes.hold()
    jobs = [await client.submit(image(color)) for color in range(12)]
    await server.until_running(jobs[0].prompt_id)
    first = await client.submit(image(99), front=True)

    queue = await client.queue()

    assert queue.running == (jobs[0].prompt_id,)
    assert queue.pending == (first.prompt_id, *(job.prompt_id for job in jobs[1:]))
    assert first.prompt_id in queue
    assert "another" not in queue
    hold.release()


@pytest.mark.parametrize(
    ("profile", "route"), [("0.3.64", "GET /queue"), ("0.33.0", "GET /jobs")], ids=["older", "newer"]
)
async def test_a_queue_without_graphs_is_asked_of_the_cheapest_route(profile: Any, route: str):
    async with Server(profile=profile, faults=Faults()) as server, Client(server.url) as client:
        hold = server.faults.nodes.hold()
        jobs = [(await client.submit(image(color))).prompt_id for color in range(3)]
        await server.until_running(jobs[0])
        await client.queue(graphs=False)
        before = server.requests.copy()

        queue = await client.queue(graphs=False)

        asked = {name for name, count in (server.requests - before).items() if "history" not in name}
        hold.release()
    assert (queue.running, queue.pending) == ((jobs[0],), (jobs[1], jobs[2]))
    assert asked == {route}


async def test_deleting_removes_pending_prompts_only(server: Server, client: Client):
    hold = server.faults.nodes.hold()
    running, kept, gone = [await client.submit(image(color)) for color in range(3)]
    await server.until_running(running.prompt_id)

    await client.delete(running.prompt_id, gone.prompt_id, "unknown")

    assert (await client.queue()).pending == (kept.prompt_id,)
    hold.release()
    assert (await running.result()).outputs
    with pytest.raises(JobLost):
        await gone.result()


async def test_clearing_the_queue_removes_every_pending_prompt(server: Server, client: Client):
    hold = server.faults.nodes.hold()
    running = await client.submit(image(0))
    await server.until_running(running.prompt_id)
    await client.submit(image(1))

    await client.clear_queue()

    assert (await client.queue()).pending == ()
    hold.release()


async def test_history_is_empty_until_a_prompt_has_ended(server: Server, client: Client):
    hold = server.faults.nodes.hold()
    job = await client.submit(image())
    await server.until_running(job.prompt_id)

    assert await client.history(job.prompt_id) == {}
    hold.release()
    await job.result()
    assert list(await client.history(job.prompt_id)) == [job.prompt_id]


async def test_history_is_oldest_first_and_limited(client: Client):
    ids = [(await client.run(image(color))).prompt_id for color in range(3)]

    assert list(await client.history()) == ids
    assert list(await client.history(max_items=None)) == ids
    assert list(await client.history(max_items=2)) == ids[1:]


async def test_history_entries_can_be_removed_one_by_one(client: Client):
    first, second = [(await client.run(image(color))).prompt_id for color in range(2)]

    await client.delete_history(first)

    assert list(await client.history()) == [second]
    await client.clear_history()
    assert await client.history() == {}


async def test_a_prompt_id_is_a_name_and_not_a_path(client: Client):
    assert await client.history("../queue") == {}
    assert await client.history("a?b#c") == {}


@pytest.mark.parametrize("named", [True, False], ids=["by-prompt-id", "whatever-runs"])
async def test_interrupting_ends_what_runs(server: Server, client: Client, named):
    server.faults.nodes.hold(node_id="2")
    job = await client.submit(image())
    await server.until_executing(job.prompt_id, "2")

    await client.interrupt(job.prompt_id if named else None)

    with pytest.raises(JobInterrupted):
        await job.result()


async def test_interrupting_another_prompt_leaves_this_one_alone(server: Server, client: Client):
    hold = server.faults.nodes.hold(node_id="2")
    job = await client.submit(image())
    await server.until_executing(job.prompt_id, "2")

    await client.interrupt("00000000-0000-4000-8000-000000000000")
    hold.release()

    assert (await job.result()).outputs


async def test_freeing_forgets_the_cache(server: Server, client: Client):
    await client.run(image())

    await client.free()
    await server.until(lambda: not server.life.queue._flags)  # the worker has seen to it
    await client.run(image())

    assert server.log[-1].nodes != []


async def test_object_info_is_of_all_nodes_or_of_one(client: Client):
    everything = await client.object_info()

    assert await client.object_info("KSampler") == {"KSampler": everything["KSampler"]}
    assert await client.object_info("no such node") == {}
    assert await client.object_info("a/b?c#d%20") == {}


async def test_system_stats_name_the_version(client: Client):
    assert (await client.system_stats())["system"]["comfyui_version"] == "0.3.64"


async def test_features_are_flags(client: Client):
    assert (await client.features())["max_upload_size"] == 104_857_600


async def test_models_are_listed_by_folder(client: Client):
    assert "checkpoints" in await client.models()
    assert "comfywire-placeholder.safetensors" in await client.models("checkpoints")
    with pytest.raises(ServerError, match="404"):
        await client.models("no/such folder")


async def test_embeddings_are_listed(client: Client):
    assert await client.embeddings() == []


async def test_a_file_is_viewed(client: Client):
    await client.run(show("hello", files=[file("a b&c#1+.bin", subfolder="x/y", type="temp")]))

    assert await client.view("a b&c#1+.bin", subfolder="x/y", type="temp") == b"hello"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({"preview": "webp;90"}, ("WEBP", "RGB"), id="preview"),
        pytest.param({"preview": "jpeg;75"}, ("JPEG", "RGB"), id="jpeg"),
        pytest.param({"channel": "rgb"}, ("PNG", "RGB"), id="without-alpha"),
        pytest.param({"channel": "a"}, ("PNG", "RGBA"), id="alpha-alone"),
    ],
)
async def test_a_picture_is_viewed_in_another_form(client: Client, options, expected):
    output = (await client.run(image())).outputs[0]

    content = await client.view(str(output.filename), **options)

    with Image.open(io.BytesIO(content)) as shown:
        assert (shown.format, shown.mode) == expected


async def test_a_file_that_is_not_there_is_the_servers_error(client: Client):
    with pytest.raises(ServerError, match="GET /view was answered 404") as refusal:
        await client.view("nothing.png")

    assert (refusal.value.status, refusal.value.method, refusal.value.path) == (404, "GET", "/view")


@pytest.mark.parametrize("reply", [None, 5, "text", [1], [[1, 2]], {"queue_running": 1}, {"a": 1}], ids=str)
@pytest.mark.parametrize(
    "ask", ["queue", "history", "object_info", "system_stats", "features", "models", "embeddings"]
)
async def test_a_reply_of_another_shape_is_an_unexpected_reply(ask, reply):
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(reply)

    is_list = ask in ("models", "embeddings")
    fits = isinstance(reply, list if is_list else dict) and ask != "queue"
    async with serving(answer) as url, Client(url) as client:
        got: Any = reply
        if fits:
            got = await getattr(client, ask)()
        else:
            with pytest.raises(UnexpectedReply, match=r"GET /|listed"):
                await getattr(client, ask)()

    assert got == reply


@pytest.mark.parametrize(
    ("folder", "hint"), [("lora", "did you mean 'loras'"), ("zzz", "there are checkpoints")]
)
async def test_a_model_folder_that_is_none_is_told_with_the_nearest(client: Client, folder, hint):
    with pytest.raises(ServerError, match=f"no model folder '{folder}'; {hint}"):
        await client.models(folder)


async def test_an_upload_that_is_too_large_says_what_limits_it(server: Server, client: Client):
    server.faults.replies.fail("POST /upload/image", 413)

    with pytest.raises(ServerError, match=r"413.*--max-upload-size"):
        await client.upload(b"x", name="x.bin")
