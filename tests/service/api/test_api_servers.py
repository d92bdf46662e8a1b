import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from comfywire.service.fleet.registry import Registry
from comfywire.service.jobs.overview import why
from comfywire.service.jobs.placement import refusals
from comfywire.workflow.catalogues.packaged import packaged

from .conftest import PROMPT, Service, error_of, id_of, submitted

URL = "http://10.0.0.1:8188"
DOWN = {"state": "down", "reason": "refused"}


@pytest.fixture
async def admin(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client("admin", name="admin") as client:
        yield client


async def joins(
    service: Service, url: str = URL, *, state: str = "up", knows: Sequence[str] | None = None
) -> None:
    """A server joins the fleet, as a worker tells of it; ``knows`` are the node types that it has."""
    registry = Registry(service.core.database)
    raw = packaged().raw
    catalogue = None if knows is None else await registry.keep_catalogue({name: raw[name] for name in knows})
    await registry.tell(
        {
            "url": url, "address": b"sealed", "worker": "w", "state": "up", "reason": "", "tags": ["big"],
            "version": "0.3.64",
            "devices": [], "catalogue": catalogue, "loaded": [], "running": 1, "pending": 0,
            "foreign_prompts": 2, "counts": {"succeeded": 5}, "running_for": 90.0,
        }
    )  # fmt: skip


@contextlib.asynccontextmanager
async def heard(service: Service, channel: str) -> AsyncIterator[asyncio.Queue[str]]:
    """What is said on a channel."""
    told: asyncio.Queue[str] = asyncio.Queue()
    ready = asyncio.Event()
    listening = service.core.database.listen([channel], lambda _, said: told.put_nowait(said), ready.set)
    task = asyncio.create_task(listening)
    await ready.wait()
    yield told
    task.cancel()
    await asyncio.wait([task])


async def test_servers_are_listed_as_their_workers_see_them(service: Service, client: httpx.AsyncClient):
    await joins(service)

    (server,) = (await client.get("/api/v2/servers")).json()["servers"]

    assert (server["url"], server["state"], server["wanted"], server["version"]) == (
        URL,
        "up",
        "active",
        "0.3.64",
    )
    assert (server["running"], server["foreign_prompts"], server["counts"]) == (1, 2, {"succeeded": 5})
    assert "sealed" not in str(server)
    running = datetime.now(UTC) - datetime.fromisoformat(server["running_since"])
    assert timedelta(seconds=89) < running < timedelta(seconds=200)


@pytest.mark.parametrize(
    ("action", "wanted"), [("pause", "paused"), ("drain", "drained"), ("resume", "active")]
)
async def test_a_server_is_switched_and_its_worker_told(
    service: Service, admin: httpx.AsyncClient, action: str, wanted: str
):
    await joins(service)
    async with heard(service, "comfywire_servers") as told:
        answer = await admin.post(f"/api/v2/servers/{action}", json={"url": URL})

        assert (answer.status_code, answer.json()["wanted"]) == (200, wanted)
        assert await told.get() == URL


async def test_a_drained_server_says_when_nothing_of_ours_is_on_it(
    service: Service, client: httpx.AsyncClient
):
    async def is_empty() -> bool:
        (server,) = (await client.get("/api/v2/servers")).json()["servers"]
        return server["is_empty"]

    await joins(service)
    job_id = id_of(await submitted(client))
    on_it = "UPDATE jobs SET server = %(url)s, submitted_at = now() WHERE id = %(id)s"
    seen = [await is_empty()]
    await service.core.database.do("UPDATE servers SET running = 0")
    seen.append(await is_empty())
    await service.core.database.do(on_it, url=URL, id=job_id)
    seen.append(await is_empty())

    assert seen == [False, True, False]


async def test_top_calls_a_server_silent_of_which_no_worker_speaks(service: Service):
    await joins(service)
    await Registry(service.core.database).leave("w")
    _, key = await service.core.access.create("top", ("read",))

    command = [sys.executable, "-m", "comfywire", "top", "--once", "--service", service.url, "--key", key]
    running = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    shown, _ = await running.communicate()

    (server,) = [line.split("\t") for line in shown.decode().splitlines() if line.startswith("server")]
    assert (server[1:3], server[-1]) == ([URL, "silent"], "no worker speaks of it")


async def test_a_server_that_is_not_there_cannot_be_switched(admin: httpx.AsyncClient):
    assert error_of(await admin.post("/api/v2/servers/pause", json={"url": URL})) == (404, "not_found")


async def test_the_queue_is_paused_and_its_workers_told(service: Service, admin: httpx.AsyncClient):
    async with heard(service, "comfywire_needs") as told:
        paused = (await admin.post("/api/v2/queue/pause")).json()
        await told.get()

    assert paused["paused"] is True
    assert await Registry(service.core.database).is_paused()
    assert (await admin.post("/api/v2/queue/resume")).json()["paused"] is False


async def test_of_much_that_waits_it_says_at_what_time_it_was_counted(
    service: Service, client: httpx.AsyncClient, admin: httpx.AsyncClient
):
    job_id = id_of(await submitted(client))
    at_once = await counts(admin)
    await service.core.database.do(
        "INSERT INTO jobs (id, key_id, prompt, need, queue_id, expires_at) "
        "SELECT gen_random_uuid(), key_id, '{}', need, queue_id, expires_at "
        "FROM jobs, generate_series(1, 5000)"
    )
    counted = await counts(admin)
    await service.core.database.do("UPDATE counted SET good_until = now() + interval '1 hour'")
    await client.post(f"/api/v2/jobs/{job_id}/cancel")
    kept = await counts(admin)
    await service.core.database.do("UPDATE counted SET good_until = now()")
    anew = await counts(admin)

    numbers = [[number for number, _ in found] for found in (at_once, counted, kept, anew)]
    assert numbers == [[1, 1, 1], [5001, 5001, 5001], [5001, 5001, 5001], [5000, 5000, 5000]]
    assert [as_of for _, as_of in kept] == [as_of for _, as_of in counted]
    assert [as_of for _, as_of in anew] > [as_of for _, as_of in kept]


async def counts(admin: httpx.AsyncClient) -> list[tuple[int, str]]:
    """How many jobs wait, in all, of a key and for a need, and when each was counted."""
    queue = (await admin.get("/api/v2/queue")).json()
    by_key = (await admin.get("/api/v2/queue/waiting")).json()
    by_need = (await admin.get("/api/v2/servers")).json()["waiting"]
    return [
        (queue["queued"], queue["as_of"]),
        (by_key["waiting"][0]["count"], by_key["as_of"]),
        (by_need["needs"][0]["count"], by_need["as_of"]),
    ]


async def test_a_paused_queue_takes_jobs_and_says_why_they_wait(
    client: httpx.AsyncClient, admin: httpx.AsyncClient
):
    await admin.post("/api/v2/queue/pause")

    job = await submitted(client)

    assert (await client.get(job["urls"]["self"])).json()["waiting_reason"] == "the queue is paused"
    assert (await admin.get("/api/v2/queue")).json()["queued"] == 1


async def test_a_job_says_what_the_servers_lack(service: Service, client: httpx.AsyncClient):
    job = await submitted(client, tags=["fast"])
    record = await service.core.store.get(id_of(job))
    assert record is not None
    for number, more in enumerate([[], ["checkpoint 'x'"]]):
        await joins(service, f"http://10.0.0.{number}")
        await Registry(service.core.database).refuse(
            f"http://10.0.0.{number}", {record.need: ["tag 'fast'", *more]}
        )

    told = (await client.get(job["urls"]["self"])).json()["waiting_reason"]

    assert told == "no server has tag 'fast'; 1 lacks checkpoint 'x'"


async def test_a_held_job_says_that_its_key_has_enough_running(service: Service):
    async with service.client(max_running=1) as client:
        await submitted(client)
        job = await submitted(client)

        told = (await client.get(job["urls"]["self"])).json()

    assert (told["waiting_reason"], told["queue_position"]) == (
        "its key has as many jobs running as it may",
        None,
    )


@pytest.mark.parametrize(
    ("servers", "words"),
    [
        pytest.param([], "no server is connected", id="none"),
        pytest.param([{"is_heard": False}], "no server is connected", id="none-that-is-looked-after"),
        pytest.param([{"wanted": "paused"}], "every server is paused", id="all-are-paused"),
        pytest.param(
            [{"state": "down", "reason": "refused"}], "no server is up: a is down: refused", id="all-are-down"
        ),
        pytest.param(
            [{"reasons": ["node 'Y'"]}, {"state": "down"}], "no server has node 'Y'", id="those-that-are-up"
        ),
        pytest.param([{"reasons": ["node 'Y'"]}, {"reasons": []}], None, id="one-can"),
        pytest.param([{"reasons": ["node 'Y'"]}, {"reasons": None}], None, id="one-has-not-looked-yet"),
    ],
)
async def test_why_a_job_waits(
    service: Service, client: httpx.AsyncClient, servers: list[dict[str, Any]], words: str | None
):
    job = await service.core.store.get(id_of(await submitted(client)))
    assert job is not None
    usual = {"url": "a", "state": "up", "wanted": "active", "reason": "", "reasons": [], "is_heard": True}

    found = [{**usual, "is_paused": False, **server} for server in servers]

    assert why(job, found or [{**usual, "is_heard": None, "is_paused": False}]) == words


async def test_a_workflow_that_no_server_would_take_is_refused_with_the_nodes(
    service: Service, client: httpx.AsyncClient
):
    await joins(service, knows=["EmptyImage", "SaveImage"])
    wrong = {"1": {"class_type": "EmptyImag", "inputs": {}}}

    answer = await client.post("/api/v2/jobs", json={"workflow": wrong})

    assert error_of(answer) == (422, "invalid_workflow")
    (told,) = answer.json()["error"]["details"]["node_errors"]["1"]
    assert "EmptyImage" in told["nearest"]


async def test_a_workflow_that_one_server_would_take_is_queued(service: Service, client: httpx.AsyncClient):
    await joins(service, "http://a", knows=["SaveImage"])
    await joins(service, "http://b", knows=["EmptyImage", "SaveImage"])

    assert (await client.post("/api/v2/jobs", json={"workflow": picture()})).status_code == 201


async def test_a_workflow_whose_model_is_nowhere_waits_for_it(service: Service, client: httpx.AsyncClient):
    needed = ["CheckpointLoaderSimple", "EmptyLatentImage", "VAEDecode", "SaveImage"]
    await joins(service, knows=needed)
    prompt = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "nowhere.safetensors"}},
        "2": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "3": {"class_type": "VAEDecode", "inputs": {"samples": ["2", 0], "vae": ["1", 2]}},
        "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}},
    }

    job = await submitted(client, workflow=prompt)

    record = await service.core.store.get(id_of(job))
    assert record is not None
    requirement = (await Registry(service.core.database).needs())[record.need]
    assert refusals(requirement, packaged(), ()) == ["checkpoint 'nowhere.safetensors'"]


def picture() -> dict[str, Any]:
    empty = {"width": 16, "height": 16, "batch_size": 1, "color": 0}
    return {
        "1": {**PROMPT["1"], "inputs": empty},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
