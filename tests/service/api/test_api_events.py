import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import websockets
from tests.service.making import changed, claimed, picture
from tests.service.rig import until
from tests.service.serving import asking

from comfywire.service.database.pool import Database
from comfywire.service.jobs.engine import Queue
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store

from .conftest import Service, closed, error_of, id_of, submitted

READERS = 200


@dataclass(frozen=True)
class Told:
    """One event, as a reader has it."""

    event: str
    id: int | None
    data: dict[str, Any]


class Run:
    """A job that a worker has, for the test to drive."""

    def __init__(self, service: Service, job: dict[str, Any]) -> None:
        self.store = service.core.store
        self.assets = service.core.assets
        self.job = job
        self.leases = Leases(self.store, "worker")

    async def begin(self) -> None:
        self.lease = (await claimed(self.store, self.leases)).lease
        await self.leases.began(self.lease)

    async def progress(self, value: float) -> None:
        await self.leases.progress(self.lease, {"value": value, "nodes_done": 1, "nodes_total": 2})

    async def output(self, name: str, position: int = 0) -> None:
        kept = await picture(self.assets, name.encode(), position=position, name=name)
        await self.leases.keep(self.lease, kept)

    async def end(self) -> None:
        await self.leases.end(self.lease, JobState.SUCCEEDED, "it ended well")


@contextlib.asynccontextmanager
async def stream(
    client: httpx.AsyncClient, job: dict[str, Any], after: int | None = None, **query: Any
) -> AsyncIterator[AsyncIterator[Told]]:
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    async with client.stream(
        "GET", job["urls"]["events"], params=query, headers=headers, timeout=60
    ) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield parsed(answer.aiter_lines())


async def parsed(lines: AsyncIterator[str]) -> AsyncIterator[Told]:
    fields: dict[str, str] = {}
    async for line in lines:
        name, _, value = line.partition(": ")
        if line and name:
            fields[name] = value
        elif "event" in fields:
            number = fields.get("id")
            yield Told(fields["event"], None if number is None else int(number), json.loads(fields["data"]))
            fields = {}


async def told(client: httpx.AsyncClient, job: dict[str, Any], after: int | None = None) -> list[Told]:
    """All that a stream tells until it ends."""
    async with stream(client, job, after) as heard:
        return [one async for one in heard]


@pytest.fixture
async def run(service: Service, client: httpx.AsyncClient) -> Run:
    return Run(service, await submitted(client))


async def test_what_happens_is_told_as_it_happens_until_the_end(client: httpx.AsyncClient, run: Run):
    async with stream(client, run.job) as heard:
        assert (await anext(heard)).data["status"] == "queued"
        await run.begin()
        assert [(await anext(heard)).data["status"] for _ in range(2)] == ["queued", "running"]
        await run.progress(0.5)
        assert (await anext(heard)).data["value"] == 0.5
        await run.output("a.png")
        shown = await anext(heard)
        await run.end()
        rest = [one async for one in heard]

    assert (shown.event, shown.data["name"]) == ("output", "a.png")
    assert [(one.event, one.data.get("status", one.data.get("value"))) for one in rest] == [
        ("progress", 1.0),
        ("status", "succeeded"),
    ]


async def test_who_comes_later_is_told_how_it_stands(client: httpx.AsyncClient, run: Run):
    await run.begin()
    await run.progress(0.25)
    await run.progress(0.75)
    await run.output("a.png")
    await run.output("b.png", 1)

    async with stream(client, run.job) as heard:
        first = [await anext(heard) for _ in range(4)]

    assert [
        (one.event, one.data.get("status") or one.data.get("value") or one.data["name"]) for one in first
    ] == [
        ("status", "running"),
        ("progress", 0.75),
        ("output", "a.png"),
        ("output", "b.png"),
    ]


async def test_a_stream_goes_on_after_any_of_its_events(client: httpx.AsyncClient, run: Run):
    await run.begin()
    await run.progress(0.5)
    await run.output("a.png")
    await run.end()
    everything = await told(client, run.job, 0)

    rests = [await told(client, run.job, one.id) for one in everything[:-1]]

    assert [one.event for one in everything] == ["status", "status", "status", "output", "progress", "status"]
    assert [[one.id for one in rest] for rest in rests] == [
        [one.id for one in everything[index + 1 :]] for index in range(len(rests))
    ]


async def test_who_has_heard_the_end_is_told_to_stop_asking(client: httpx.AsyncClient, run: Run):
    await client.post(run.job["urls"]["cancel"])
    last = (await told(client, run.job))[-1]

    answer = await client.get(run.job["urls"]["events"], headers={"Last-Event-ID": str(last.id)})

    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_job_that_was_lost_and_is_repeated_tells_its_new_outputs(client: httpx.AsyncClient, run: Run):
    await run.begin()
    await run.output("of the first attempt")
    await run.output("of the first attempt, too", 1)

    async with stream(client, run.job) as heard:
        await anext(heard)
        assert (await anext(heard)).data["name"] == "of the first attempt"
        await run.leases.give_back(run.lease, "the ComfyUI lost it")
        await run.begin()
        await run.output("of the second attempt")
        rest = [await anext(heard)]
        while rest[-1].data.get("name") != "of the second attempt":
            rest.append(await anext(heard))
        async with stream(client, run.job) as later:
            shown = [(await anext(later)).data.get("name") for _ in range(2)]
            await run.end()
            shown += [one.data.get("name") async for one in later]
        rest += [one async for one in heard]

    assert [one.data["status"] for one in rest if one.event == "status"] == [
        "queued",
        "queued",
        "running",
        "succeeded",
    ]
    assert [one.data["name"] for one in rest if one.event == "output"][1:] == ["of the second attempt"]
    assert shown == [None, "of the second attempt", None]


async def test_pictures_are_sent_to_those_who_want_them(client: httpx.AsyncClient, run: Run):
    await run.begin()
    await run.leases.preview(run.lease, "3", "image/jpeg", b"one")

    async with stream(client, run.job, previews=1) as wanted, stream(client, run.job) as plain:
        await anext(wanted)
        first = await anext(wanted)
        await run.leases.preview(run.lease, "3", "image/jpeg", b"two")
        second = await anext(wanted)
        await run.end()
        others = [one.event async for one in plain]

    assert (first.event, first.id, first.data["node_id"], first.data["data_base64"]) == (
        "preview",
        None,
        "3",
        "b25l",
    )
    assert second.data["data_base64"] == "dHdv"
    assert others == ["status", "status"]


async def test_silence_is_filled_with_comments_and_news_of_the_queue(
    service_with: Callable[..., contextlib.AbstractAsyncContextManager[Service]],
):
    async with service_with(heartbeat=0.05) as service, service.client() as client:
        ahead, behind = await submitted(client), await submitted(client)
        async with client.stream("GET", behind["urls"]["events"]) as answer:
            lines = answer.aiter_lines()
            assert await first_of(lines, ": alive")
            await client.post(ahead["urls"]["cancel"])
            news = await first_of(lines, '"queue_position":0')

    assert news.startswith('data: {"status":"queued"')


async def test_why_a_job_waits_is_told_first_and_soon_when_it_changes(
    service_with: Callable[..., contextlib.AbstractAsyncContextManager[Service]],
):
    async with (
        service_with(heartbeat=600) as service,
        service.client() as client,
        stream(client, await submitted(client)) as heard,
    ):
        first = await anext(heard)
        await service.core.operating.pause_queue(paused=True)
        news = await anext(heard)

    assert first.data["waiting_reason"] == "no server is connected"
    assert (news.event, news.id, news.data["status"], news.data["queue_position"]) == (
        "status",
        None,
        "queued",
        0,
    )
    assert news.data["waiting_reason"] == "the queue is paused"


async def test_the_place_in_the_queue_of_a_job_that_is_being_canceled_is_not_told_as_if_it_waited(
    service: Service, client: httpx.AsyncClient, run: Run
):
    await run.begin()
    await run.leases.will_submit(run.lease, "http://comfyui")
    await run.leases.hand_back(run.lease, "its worker stops")
    await client.post(run.job["urls"]["cancel"])

    async with service.core.broker.watch(id_of(run.job)) as live:
        assert live.job is not None
        assert (live.job.state, live.position) == (JobState.CANCELING, None)


async def first_of(lines: AsyncIterator[str], part: str) -> str:
    async for line in lines:
        if part in line:
            return line
    raise AssertionError(f"the stream ended without {part}")


async def test_many_readers_of_many_jobs_hear_from_one_connection(
    service: Service, client: httpx.AsyncClient
):
    jobs = [await submitted(client) for _ in range(4)]
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    begun: list[dict[str, Any]] = []

    async def read(job: dict[str, Any]) -> list[str]:
        async with stream(many, job) as heard:
            first = await anext(heard)
            begun.append(job)
            # That those before it are canceled may be news of the queue.
            return list(dict.fromkeys([first.data["status"], *[one.data["status"] async for one in heard]]))

    async def all_have_begun() -> bool:
        return len(begun) == READERS

    async with asking(base_url=service.url, headers=client.headers, limits=limits) as many:
        reading = [asyncio.create_task(read(job)) for job in jobs * (READERS // 4)]
        await until(all_have_begun)
        connections = await listening(service)
        for job in jobs:
            await client.post(job["urls"]["cancel"])
        heard = await asyncio.gather(*reading)

    assert connections == 1
    assert {tuple(mine) for mine in heard} == {("queued", "canceled")}


async def listening(service: Service) -> int:
    found = await service.core.database.one(
        "SELECT count(*) AS count FROM pg_stat_activity WHERE datname = current_database() "
        "AND (query LIKE 'LISTEN%%' OR query = 'SELECT 1')"
    )
    assert found is not None
    return int(found["count"])


async def test_nothing_is_kept_of_a_job_that_nobody_reads(
    service: Service, client: httpx.AsyncClient, run: Run
):
    async with stream(client, run.job) as heard:
        await anext(heard)
        assert len(service.core.broker._live_jobs) == 1

    await until(lambda: no_live_jobs(service))


async def no_live_jobs(service: Service) -> bool:
    return not service.core.broker._live_jobs


async def test_streams_end_when_the_process_is_about_to_stop(
    service: Service, client: httpx.AsyncClient, run: Run
):
    async with stream(client, run.job) as heard:
        await anext(heard)
        service.core.broker.close()

        assert [one async for one in heard] == []


async def test_streams_catch_up_when_the_connection_that_listens_was_broken(
    service: Service, client: httpx.AsyncClient, run: Run
):
    async with stream(client, run.job) as heard:
        await anext(heard)
        await service.core.database.do(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND (query LIKE 'LISTEN%%' OR query = 'SELECT 1')"
        )
        await changed(service.core.store, id_of(run.job), JobState.CANCELED)

        assert [one.data["status"] async for one in heard] == ["canceled"]


async def test_streams_go_on_after_the_database_was_away(
    client: httpx.AsyncClient, run: Run, database_url: str
):
    async with stream(client, run.job) as heard:
        await anext(heard)
        async with closed(database_url):
            pass  # every connection is broken
        async with Database(database_url) as other:
            await changed(Store(other, Queue(other)), id_of(run.job), JobState.CANCELED)

            assert [one.data["status"] async for one in heard] == ["canceled"]


@pytest.mark.parametrize("after", ["x", "-1", "9" * 30], ids=["no-number", "negative", "too-long"])
async def test_an_event_id_that_is_none_is_refused(client: httpx.AsyncClient, run: Run, after: str):
    answer = await client.get(run.job["urls"]["events"], headers={"Last-Event-ID": after})

    assert error_of(answer) == (422, "invalid_request")


async def test_the_events_of_a_job_that_is_not_there_are_not_found(client: httpx.AsyncClient):
    assert error_of(await client.get("/api/v2/jobs/nonsense/events")) == (404, "not_found")


def socket_of(service: Service, job: dict[str, Any], query: str = "") -> str:
    return service.url.replace("http", "ws", 1) + job["urls"]["ws"] + query


async def test_a_web_socket_tells_the_same(service: Service, client: httpx.AsyncClient, run: Run):
    headers = {"Authorization": client.headers["authorization"]}
    async with websockets.connect(socket_of(service, run.job), additional_headers=headers) as socket:
        first = json.loads(await socket.recv())
        await run.begin()
        await run.end()
        rest = [json.loads(text) async for text in socket]

    streamed = await told(client, run.job, 0)
    assert [(one["event"], one["id"]) for one in [first, *rest]] == [(one.event, one.id) for one in streamed]
    assert socket.close_code == 1000


async def test_a_web_socket_goes_on_after_an_event(service: Service, client: httpx.AsyncClient, run: Run):
    headers = {"Authorization": client.headers["authorization"]}
    await client.post(run.job["urls"]["cancel"])
    first, last = await told(client, run.job, 0)

    address = socket_of(service, run.job, f"?after={first.id}")
    async with websockets.connect(address, additional_headers=headers) as socket:
        rest = [json.loads(text)["id"] async for text in socket]

    assert rest == [last.id]


async def test_a_browser_gives_its_key_as_a_subprotocol(
    service: Service, client: httpx.AsyncClient, run: Run
):
    key = client.headers["authorization"].removeprefix("Bearer ")
    offered = [websockets.Subprotocol("comfywire"), websockets.Subprotocol(f"comfywire.key.{key}")]

    async with websockets.connect(socket_of(service, run.job), subprotocols=offered) as socket:
        assert json.loads(await socket.recv())["data"]["status"] == "queued"
        assert socket.subprotocol == "comfywire"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 401, id="no-key"),
        pytest.param({"Authorization": "Bearer cw_wrong"}, 401, id="a-wrong-key"),
        pytest.param({"Origin": "https://evil.example"}, 403, id="a-page-of-another-site"),
    ],
)
async def test_a_web_socket_is_refused_with_an_error(
    service: Service, run: Run, headers: dict[str, str], status: int
):
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(socket_of(service, run.job), additional_headers=headers)

    assert refused.value.response.status_code == status
    assert b'"code":' in (refused.value.response.body or b"")


async def test_more_streams_than_a_key_may_have_open_are_refused_for_a_while(service_with: Any):
    async with service_with(max_streams=2) as service, service.client() as client:
        job = await submitted(client)
        async with stream(client, job) as one, stream(client, job) as other:
            await anext(one)
            await anext(other)
            refused = await client.get(job["urls"]["events"])
            with pytest.raises(websockets.InvalidStatus) as denied:
                await opened(service, client, job)
            async with service.client(name="another") as somebody:
                theirs = await submitted(somebody)
                async with stream(somebody, theirs) as heard:
                    assert (await anext(heard)).event == "status"

    assert error_of(refused) == (429, "too_many_streams")
    assert int(refused.headers["retry-after"]) == 5
    assert denied.value.response.status_code == 429


async def test_a_stream_that_was_closed_makes_room_for_another(service_with: Any):
    async with service_with(max_streams=1) as service, service.client() as client:
        job = await submitted(client)
        async with stream(client, job) as heard:
            await anext(heard)
        await until(lambda: has_room(client, job))

        socket = await opened(service, client, job)
        refused = await client.get(job["urls"]["events"])
        await socket.close()
        await until(lambda: has_room(client, job))

    assert error_of(refused) == (429, "too_many_streams")


async def has_room(client: httpx.AsyncClient, job: dict[str, Any]) -> bool:
    """Whether one more stream is let in; the service notices by and by that a reader has gone."""
    async with client.stream("GET", job["urls"]["events"]) as answer:
        return answer.status_code == 200


async def opened(
    service: Service, client: httpx.AsyncClient, job: dict[str, Any]
) -> websockets.ClientConnection:
    """A WebSocket of the job's events."""
    address = service.url.replace("http", "ws", 1) + job["urls"]["ws"]
    key = client.headers["Authorization"]
    return await websockets.connect(address, additional_headers={"Authorization": key}, proxy=None)
