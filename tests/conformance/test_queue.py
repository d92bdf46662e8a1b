"""GET and POST of /queue, /history, /interrupt and /free."""

from __future__ import annotations

import uuid

import pytest
from tests.conformance.conftest import Place, remaining
from tests.conformance.graphs import picture
from tests.server.wire import Feed, Wire


async def pending(wire: Wire) -> list[str]:
    return [item[1] for item in (await wire.get("/queue"))[1]["queue_pending"]]


async def test_an_idle_queue_is_two_empty_lists(wire: Wire):
    assert await wire.get("/queue") == (200, {"queue_running": [], "queue_pending": []})


async def test_get_prompt_counts_what_runs_and_what_waits(wire: Wire, running: str):
    await wire.submit(picture())

    assert await wire.get("/prompt") == (200, {"exec_info": {"queue_remaining": 2}})


async def test_each_submission_is_told_to_everybody(wire: Wire, running: str):
    other = await wire.feed()
    await wire.submit(picture())
    await wire.submit(picture())
    counts = [(await other.until("status"))["data"]["status"]["exec_info"]["queue_remaining"]]
    while counts[-1] < 3:
        counts.append((await other.until("status"))["data"]["status"]["exec_info"]["queue_remaining"])

    assert counts[-1] == 3
    assert all("sid" not in message["data"] for message in other.heard[1:])


async def test_deleting_takes_pending_prompts_only_and_always_succeeds(wire: Wire, running: str):
    first, second = [await wire.submit(picture()) for _ in range(2)]

    answer = await wire.post("/queue", {"delete": [first, running, str(uuid.uuid4())]})

    assert answer == (200, b"")
    assert await pending(wire) == [second]
    assert await remaining(wire) == 2


async def test_deleting_an_id_that_waits_twice_takes_one(wire: Wire, running: str):
    prompt_id = await wire.submit(picture(1))
    await wire.submit(picture(2), prompt_id=prompt_id)

    await wire.post("/queue", {"delete": [prompt_id]})

    assert await pending(wire) == [prompt_id]


async def test_a_deleted_prompt_leaves_no_trace(wire: Wire, running: str, feed: Feed):
    prompt_id = await wire.submit(picture(), feed)

    await wire.post("/queue", {"delete": [prompt_id]})
    await wire.post("/interrupt", {"prompt_id": running})
    await feed.until_end(running)

    assert await wire.get(f"/history/{prompt_id}") == (200, {})
    assert [one for one in feed.heard if one["data"].get("prompt_id") == prompt_id] == []


@pytest.mark.parametrize(("waiting", "told"), [(1, [1, 1]), (2, [2])], ids=["the-only-one", "one-of-two"])
async def test_deleting_the_only_pending_prompt_is_told_twice(wire: Wire, running: str, waiting, told):
    ids = [await wire.submit(picture()) for _ in range(waiting)]
    other = await wire.feed()

    await wire.post("/queue", {"delete": [ids[0]]})
    after = await wire.submit(picture())
    while (await other.until("status"))["data"]["status"]["exec_info"]["queue_remaining"] != 1 + waiting:
        pass

    assert after in await pending(wire)
    counts = [one["status"]["exec_info"]["queue_remaining"] for one in other.of("status")[1:-1]]
    assert counts == told


async def test_clearing_leaves_what_runs(wire: Wire, running: str):
    for _ in range(2):
        await wire.submit(picture())

    assert await wire.post("/queue", {"clear": True}) == (200, b"")

    listed = (await wire.get("/queue"))[1]
    assert ([item[1] for item in listed["queue_running"]], listed["queue_pending"]) == ([running], [])


async def test_an_interrupt_for_another_prompt_does_nothing(wire: Wire, running: str, feed: Feed):
    assert await wire.post("/interrupt", {"prompt_id": str(uuid.uuid4())}) == (200, b"")
    await feed.until("executing")
    await feed.until("executing")

    assert [item[1] for item in (await wire.get("/queue"))[1]["queue_running"]] == [running]


@pytest.mark.parametrize("body", [b"", b"{}", b"{not json", b'{"prompt_id": null}', b'{"prompt_id": ""}'])
async def test_an_interrupt_without_an_id_ends_whatever_runs(wire: Wire, running: str, feed: Feed, body):
    async with wire.session.post("/interrupt", data=body) as reply:
        assert (reply.status, await reply.read()) == (200, b"")

    assert "execution_interrupted" in await feed.until_end(running)


@pytest.mark.parametrize("body", [b"[]", b"7"])
async def test_an_interrupt_whose_body_is_no_object_is_a_500(wire: Wire, body, caplog):
    caplog.set_level("CRITICAL", logger="aiohttp.server")

    async with wire.session.post("/interrupt", data=body) as reply:
        assert reply.status == 500


async def test_an_interrupt_between_prompts_is_lost(wire: Wire, feed: Feed):
    await wire.post("/interrupt")

    assert "execution_success" in await feed.until_end(await wire.submit(picture(), feed))


async def test_the_next_prompt_is_not_hit_by_an_interrupt(wire: Wire, running: str, feed: Feed):
    prompt_id = await wire.submit(picture(), feed)

    await wire.post("/interrupt", {"prompt_id": running})

    assert "execution_success" in await feed.until_end(prompt_id)


@pytest.fixture
async def four(wire: Wire, feed: Feed) -> list[str]:
    """The ids of four prompts, alone in history, oldest first."""
    await wire.post("/history", {"clear": True})
    ids = [await wire.submit(picture(), feed) for _ in range(4)]
    await feed.until_end(ids[-1])
    return ids


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("", [0, 1, 2, 3], id="all-oldest-first"),
        pytest.param("?max_items=2", [2, 3], id="the-newest"),
        pytest.param("?max_items=9", [0, 1, 2, 3], id="more-than-there-are"),
        pytest.param("?max_items=2&offset=1", [1, 2], id="from-the-oldest"),
        pytest.param("?offset=3", [3], id="offset-alone"),
        pytest.param("?max_items=2&offset=9", [], id="past-the-end"),
        pytest.param("?max_items=0", [], id="none"),
        pytest.param("?max_items=0&offset=0", [0], id="none-with-offset-is-one"),
    ],
)
async def test_history_is_paged(wire: Wire, four: list[str], query, expected):
    status, page = await wire.get(f"/history{query}")

    assert (status, list(page)) == (200, [four[index] for index in expected])


@pytest.mark.parametrize("query", ["?max_items=x", "?offset=x"])
async def test_pages_that_are_no_numbers_are_a_500(wire: Wire, query, caplog):
    caplog.set_level("CRITICAL", logger="aiohttp.server")

    assert (await wire.get(f"/history{query}"))[0] == 500


async def test_history_of_one_prompt_is_its_entry_in_all_of_history(wire: Wire, four: list[str]):
    (_, one), (_, every) = await wire.get(f"/history/{four[1]}"), await wire.get("/history")

    assert one == {four[1]: every[four[1]]}


async def test_history_of_an_unknown_prompt_is_empty(wire: Wire):
    assert await wire.get(f"/history/{uuid.uuid4()}") == (200, {})


async def test_what_runs_is_not_in_history(wire: Wire, running: str):
    assert await wire.get(f"/history/{running}") == (200, {})


async def test_history_entries_can_be_deleted_and_unknown_ids_are_no_error(wire: Wire, four: list[str]):
    assert await wire.post("/history", {"delete": [four[0], four[2], "unknown"]}) == (200, b"")

    assert list((await wire.get("/history"))[1]) == [four[1], four[3]]


async def test_history_can_be_cleared(wire: Wire, four: list[str]):
    assert await wire.post("/history", {"clear": True}) == (200, b"")

    assert (await wire.get("/history"))[1] == {}


@pytest.mark.parametrize("path", ["/queue", "/history", "/free"])
async def test_a_body_that_asks_for_nothing_changes_nothing(wire: Wire, four: list[str], path):
    assert await wire.post(path, {}) == (200, b"")

    assert len((await wire.get("/history"))[1]) == 4


@pytest.mark.parametrize("path", ["/queue", "/history"])
@pytest.mark.parametrize("body", [[], "text"])
async def test_a_list_or_a_text_asks_for_nothing(wire: Wire, path, body):
    assert await wire.post(path, body) == (200, b"")


async def test_freeing_memory_makes_a_cached_prompt_run_again(wire: Wire, feed: Feed):
    prompt = picture()
    await feed.until_end(await wire.submit(prompt, feed))

    answer = await wire.post("/free", {"unload_models": True, "free_memory": True})
    kinds = await freed(prompt, wire, feed)

    assert answer == (200, b"")
    assert "executed" in kinds
    assert feed.of("execution_cached")[-1]["nodes"] == []


async def freed(prompt, wire: Wire, feed: Feed) -> list[str]:
    """Run it once more when the worker has had the time to read the wish: an idle one does at once."""
    for _ in range(50):
        kinds = await feed.until_end(await wire.submit(prompt, feed))
        if feed.of("execution_cached")[-1]["nodes"] == []:
            break
    return kinds


async def test_freeing_models_alone_keeps_what_is_cached(place: Place, wire: Wire, feed: Feed):
    prompt = picture()
    await feed.until_end(await wire.submit(prompt, feed))

    await wire.post("/free", {"unload_models": True, "free_memory": False})
    await feed.until_end(await wire.submit(prompt, feed))

    assert sorted(feed.of("execution_cached")[-1]["nodes"]) == ["1", "2"]
