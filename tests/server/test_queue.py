from __future__ import annotations

import pytest
from tests.server.wire import Wire, image

from comfywire.server import Server


@pytest.fixture
async def blocked(server: Server, wire: Wire) -> str:
    """A prompt that runs until its gate is released, so that others wait."""
    server.faults.nodes.hold(prompt_id="first", node_id="1")
    await wire.submit(image(), prompt_id="first")
    await server.until_executing("first", "1")
    return "first"


async def order(server: Server) -> list[str]:
    server.faults.clear()
    await server.until_idle()
    return [run.prompt_id for run in server.log]


async def test_prompts_run_in_the_order_of_their_numbers(server: Server, wire: Wire, blocked):
    for prompt_id in ("a", "b", "c"):
        await wire.submit(image(), prompt_id=prompt_id)

    assert await order(server) == [blocked, "a", "b", "c"]


async def test_front_overtakes_what_waits_and_earlier_fronts(server: Server, wire: Wire, blocked):
    await wire.submit(image(), prompt_id="a")
    for prompt_id in ("front1", "front2"):
        await wire.submit(image(), prompt_id=prompt_id, front=True)

    assert await order(server) == [blocked, "front2", "front1", "a"]


async def test_a_number_of_ones_own_decides_and_uses_none_up(server: Server, wire: Wire, blocked):
    _, urgent = await wire.post("/prompt", {"prompt": image(), "prompt_id": "urgent", "number": -7.5})
    _, normal = await wire.post("/prompt", {"prompt": image(), "prompt_id": "normal"})

    assert (urgent["number"], normal["number"]) == (-7.5, 1)
    assert await order(server) == [blocked, "urgent", "normal"]


async def test_pending_prompts_are_listed_as_the_heap_holds_them(server: Server, wire: Wire, blocked):
    for number in (5, 9, 7, 6, 1):
        await wire.submit(image(), prompt_id=f"p{number}", number=number)

    _, queue = await wire.get("/queue")

    assert [item[0] for item in queue["queue_pending"]] == [1, 5, 7, 9, 6]
    assert [item[1] for item in queue["queue_running"]] == [blocked]


async def test_a_queue_item_has_five_parts_and_converted_values(server: Server, wire: Wire, blocked):
    prompt = image()
    prompt["1"]["inputs"]["width"] = 8.9

    await wire.submit(prompt, prompt_id="a", client_id="me", extra_data={"x": 1})
    _, queue = await wire.get("/queue")

    number, prompt_id, graph, extra_data, outputs = queue["queue_pending"][0]
    assert (number, prompt_id, extra_data, outputs) == (1, "a", {"x": 1, "client_id": "me"}, ["2"])
    assert graph["1"]["inputs"]["width"] == 8


async def test_two_pending_prompts_that_compare_equal_are_a_500_and_both_queued(
    server, wire, blocked, caplog
):
    caplog.set_level("CRITICAL", logger="aiohttp.server")
    twins = [{"prompt": image(color), "prompt_id": "twin", "number": 3} for color in (1, 2)]

    first, second = [await wire.post("/prompt", twin) for twin in twins]
    _, queue = await wire.get("/queue")

    assert (first[0], second[0]) == (200, 500)
    assert [item[1] for item in queue["queue_pending"]] == ["twin", "twin"]


async def test_deleting_takes_pending_prompts_only_and_always_succeeds(server: Server, wire: Wire, blocked):
    for prompt_id in ("a", "b"):
        await wire.submit(image(), prompt_id=prompt_id)

    status, _ = await wire.post("/queue", {"delete": ["a", blocked, "unknown"]})

    assert status == 200
    assert await order(server) == [blocked, "b"]


@pytest.mark.parametrize(("pending", "broadcasts"), [(1, 2), (2, 1)], ids=["the-only-one", "one-of-two"])
async def test_deleting_the_only_pending_prompt_is_told_twice(
    server, wire: Wire, blocked, pending, broadcasts
):
    for number in range(pending):
        await wire.submit(image(), prompt_id=f"p{number}")
    feed = await wire.feed()

    await wire.post("/queue", {"delete": ["p0"]})
    await server.faults.messages.foreign(prompt_id="after")
    await feed.until("progress_state")

    assert len(feed.of("status")) == 1 + broadcasts  # one is the greeting


async def test_clearing_forgets_everything_pending(server: Server, wire: Wire, blocked):
    for prompt_id in ("a", "b"):
        await wire.submit(image(), prompt_id=prompt_id)

    await wire.post("/queue", {"clear": True})

    assert await order(server) == [blocked]


async def test_an_interrupt_for_another_prompt_does_nothing(server: Server, wire: Wire, blocked):
    assert (await wire.post("/interrupt", {"prompt_id": "another"}))[0] == 200

    server.faults.clear()
    await server.until_idle()

    assert server.runs(blocked)[0].how == "success"


@pytest.mark.parametrize("body", [None, {}, {"prompt_id": "first"}], ids=["no-body", "empty", "by-id"])
async def test_an_interrupt_ends_the_running_prompt(server: Server, wire: Wire, blocked, body):
    assert (await wire.post("/interrupt", body))[0] == 200

    await server.until_idle()
    entry = await wire.history(blocked)

    assert server.runs(blocked)[0].how == "interrupted"
    assert entry["status"]["status_str"] == "error"
    assert [kind for kind, _ in entry["status"]["messages"]][-1] == "execution_interrupted"


async def test_an_interrupt_between_prompts_is_lost(server: Server, wire: Wire):
    await wire.post("/interrupt")

    prompt_id = await wire.submit(image())
    await server.until_idle()

    assert server.runs(prompt_id)[0].how == "success"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("", ["p0", "p1", "p2", "p3"], id="all-oldest-first"),
        pytest.param("?max_items=2", ["p2", "p3"], id="the-newest"),
        pytest.param("?max_items=2&offset=1", ["p1", "p2"], id="from-the-oldest"),
        pytest.param("?max_items=0", [], id="none"),
        pytest.param("?max_items=0&offset=0", ["p0"], id="none-with-offset-is-one"),
    ],
)
async def test_history_is_paged_as_comfyui_does_it(server: Server, wire: Wire, query, expected):
    for number in range(4):
        await wire.submit(image(number), prompt_id=f"p{number}")
    await server.until_idle()

    assert list((await wire.get(f"/history{query}"))[1]) == expected


async def test_the_oldest_history_entry_goes_when_there_are_too_many(server: Server, wire: Wire, monkeypatch):
    monkeypatch.setattr("comfywire.server.execution.prompt_queue.MAXIMUM_HISTORY_SIZE", 2)

    for number in range(4):
        await wire.submit(image(number), prompt_id=f"p{number}")
    await server.until_idle()

    assert list((await wire.get("/history"))[1]) == ["p1", "p2", "p3"]


async def test_history_can_be_deleted(server: Server, wire: Wire):
    for number in range(3):
        await wire.submit(image(number), prompt_id=f"p{number}")
    await server.until_idle()

    await wire.post("/history", {"delete": ["p0", "unknown"]})
    left = list((await wire.get("/history"))[1])
    await wire.post("/history", {"clear": True})

    assert left == ["p1", "p2"]
    assert (await wire.get("/history"))[1] == {}


async def test_keys_in_extra_data_do_not_reach_history(server: Server, wire: Wire):
    prompt_id = await wire.submit(image(), extra_data={"api_key_comfy_org": "secret", "other": 1})
    await server.until_idle()

    assert (await wire.history(prompt_id))["prompt"][3] == {"other": 1}


async def test_extra_data_of_null_without_client_id_kills_the_worker(server: Server, wire: Wire):
    prompt_id = await wire.submit(image(), extra_data=None)

    await server.until(lambda: [run.how for run in server.runs(prompt_id)] == ["died"])

    assert (await wire.get("/prompt"))[1] == {"exec_info": {"queue_remaining": 1}}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/unknown", 404),
        ("GET", "/api/unknown", 404),
        ("POST", "/unknown", 405),
        ("DELETE", "/queue", 405),
        ("GET", "/jobs", 404),
        ("GET", "/api/jobs", 404),
        ("POST", "/api/jobs/cancel", 405),
    ],
)
async def test_unknown_routes_are_404_for_get_and_405_otherwise(wire: Wire, method, path, status):
    async with wire.session.request(method, path) as reply:
        assert reply.status == status


@pytest.mark.parametrize("path", ["/queue", "/api/queue", "/system_stats"])
async def test_head_is_answered_where_get_is(wire: Wire, path):
    async with wire.session.head(path) as reply:
        assert reply.status == 200


@pytest.mark.parametrize("path", ["/prompt", "/queue", "/history", "/free"])
async def test_malformed_json_is_a_500(wire: Wire, path, caplog):
    caplog.set_level("CRITICAL", logger="aiohttp.server")

    async with wire.session.post(path, data=b"{not json") as reply:
        assert reply.status == 500
        assert "Server got itself in trouble" in await reply.text()


async def test_a_body_over_the_limit_is_413(wire: Wire):
    _, features = await wire.get("/features")
    megabytes = features["max_upload_size"] // 1024**2

    async def body():
        for _ in range(megabytes + 1):
            yield bytes(1024**2)

    async with wire.session.post("/queue", data=body()) as reply:
        assert reply.status == 413
