"""Servers that are added over the API: judged, listed, and taken away again, by admins alone."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from comfywire.service.fleet.added import AddedServers
from comfywire.service.fleet.registry import Registry

from .conftest import Service, error_of, id_of, submitted
from .test_api_servers import URL, joins

SERVERS = "/api/v2/servers"


@pytest.fixture
async def admin(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client("read", "admin", name="admin") as client:
        yield client


async def listed(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    return list((await client.get(SERVERS)).json()["servers"])


async def test_a_server_is_added_without_showing_its_password(service: Service, admin: httpx.AsyncClient):
    address = "http://me:pass%40word@10.0.0.9:8188/comfy/"

    answer = await admin.post(SERVERS, json={"url": address, "tags": ["big"], "slots": 3})

    told = answer.json()
    assert (answer.status_code, told["url"], told["tags"]) == (201, "http://10.0.0.9:8188/comfy", ["big"])
    assert (told["is_added"], told["is_heard"], told["state"]) == (True, False, "down")
    assert "pass" not in answer.text + (await admin.get(SERVERS)).text
    (given,) = await service.core.added_servers.claim("w")
    assert (given.address, given.slots) == (address, 3)
    kept = await service.core.database.all("SELECT * FROM added_servers")
    assert b"pass" not in kept[0]["address"]


async def test_it_is_taken_away_again(admin: httpx.AsyncClient):
    await admin.post(SERVERS, json={"url": URL})

    answers = [await admin.delete(SERVERS, params={"url": URL}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 404]
    assert await listed(admin) == []


async def test_one_with_jobs_goes_when_they_have_ended(
    service: Service, admin: httpx.AsyncClient, client: httpx.AsyncClient
):
    await admin.post(SERVERS, json={"url": URL})
    job_id = id_of(await submitted(client))
    on_it = "UPDATE jobs SET server = %(url)s, submitted_at = now() WHERE id = %(id)s"
    await service.core.database.do(on_it, url=URL, id=job_id)

    await admin.delete(SERVERS, params={"url": URL})

    (server,) = await listed(admin)
    assert (server["is_removed"], server["wanted"], server["is_added"]) == (True, "drained", False)
    await service.core.database.do("UPDATE jobs SET state = 'canceled' WHERE id = %(id)s", id=job_id)
    await Registry(service.core.database).tidy()
    assert await listed(admin) == []


async def test_one_that_a_worker_was_started_with_stays(service: Service, admin: httpx.AsyncClient):
    await joins(service)

    answers = [
        await admin.delete(SERVERS, params={"url": URL}),
        await admin.post(SERVERS, json={"url": URL}),
    ]

    assert [error_of(answer) for answer in answers] == [(409, "conflict")] * 2
    assert "--server" in answers[0].json()["error"]["message"]
    assert len(await listed(admin)) == 1


async def test_one_that_was_added_and_is_named_since_cannot_be_removed(
    service: Service, admin: httpx.AsyncClient
):
    await admin.post(SERVERS, json={"url": URL})
    await joins(service)

    assert error_of(await admin.delete(SERVERS, params={"url": URL})) == (409, "conflict")
    assert [server["is_added"] for server in await listed(admin)] == [False]
    assert await service.core.added_servers.claim("another") == []


async def test_it_may_be_added_anew_while_its_last_jobs_end(
    service: Service, admin: httpx.AsyncClient, client: httpx.AsyncClient
):
    await admin.post(SERVERS, json={"url": URL})
    on_it = "UPDATE jobs SET server = %(url)s, submitted_at = now() WHERE id = %(id)s"
    await service.core.database.do(on_it, url=URL, id=id_of(await submitted(client)))
    await service.core.added_servers.claim("w")
    await admin.delete(SERVERS, params={"url": URL})

    answer = await admin.post(SERVERS, json={"url": URL})

    assert (answer.status_code, answer.json()["wanted"], answer.json()["is_removed"]) == (
        201,
        "active",
        False,
    )


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://169.254.169.254", id="a-cloud-machine's-secrets"),
        pytest.param("http://[fe80::1]:8188", id="link-local"),
        pytest.param("http://[::ffff:169.254.169.254]", id="the-same-wrapped"),
        pytest.param("http://2852039166", id="the-same-as-a-number"),
        pytest.param("http://0.0.0.0:8188", id="no-machine"),
        pytest.param("http://224.0.0.1:8188", id="many-machines"),
        pytest.param("file:///etc/passwd", id="a-file"),
        pytest.param("ftp://10.0.0.1", id="ftp"),
        pytest.param("http://", id="no-host"),
        pytest.param("http://10.0.0.1:99999", id="no-port"),
        pytest.param("http://10.0.0.1#fast", id="tags-in-it"),
        pytest.param("javascript:alert(1)", id="a-script"),
        pytest.param("http://10.0.0.1:8190/k/cw_secret", id="a-key-in-the-path"),
        pytest.param("http://10.0.0.1:8190/comfy/k/cw_secret/", id="behind-a-prefix"),
        pytest.param("http://10.0.0.1:8190/%6b/cw_secret", id="a-key-in-disguise"),
    ],
)
async def test_what_cannot_be_a_comfyui_is_refused(admin: httpx.AsyncClient, url: str):
    assert error_of(await admin.post(SERVERS, json={"url": url})) == (422, "invalid_request")
    assert await listed(admin) == []


async def test_the_service_is_no_server_of_its_own(service: Service, admin: httpx.AsyncClient):
    port = service.url.rpartition(":")[2]
    for host in ("127.0.0.1", "127.0.0.2", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433"):
        answer = await admin.post(SERVERS, json={"url": f"http://{host}:{port}"})

        assert error_of(answer) == (422, "invalid_request"), host
        assert "itself" in answer.json()["error"]["message"]
    beside = await admin.post(SERVERS, json={"url": f"http://127.0.0.1:{int(port) - 1}"})
    assert beside.status_code == 201


@pytest.mark.parametrize("tags", [["a,b"], ["a#b"], [""], [" a"], ["x"] * 51])
async def test_odd_tags_are_refused(admin: httpx.AsyncClient, tags: list[str]):
    assert (await admin.post(SERVERS, json={"url": URL, "tags": tags})).status_code == 422


async def test_only_admins_add_and_remove(admin: httpx.AsyncClient, client: httpx.AsyncClient):
    await admin.post(SERVERS, json={"url": URL})

    refused = [
        await client.post(SERVERS, json={"url": "http://10.0.0.2"}),
        await client.delete(SERVERS, params={"url": URL}),
    ]

    assert [error_of(answer) for answer in refused] == [(403, "forbidden")] * 2
    assert len(await listed(admin)) == 1


async def test_a_thousand_are_enough(service: Service, admin: httpx.AsyncClient):
    many = "INSERT INTO added_servers SELECT 'http://h' || i, '', '{}' FROM generate_series(1, 1000) AS i"
    await service.core.database.do(many)

    assert error_of(await admin.post(SERVERS, json={"url": URL})) == (409, "conflict")


async def test_addresses_are_sealed_anew_under_another_secret(service: Service):
    from comfywire.service.sealing import Sealer

    database = service.core.database
    await AddedServers(database, Sealer(["an old secret of ours"])).add("http://me:pw@10.0.0.9")
    both = Sealer(["a new secret of ours", "an old secret of ours"])
    await AddedServers(database, both).seal_anew()

    (given,) = await AddedServers(database, Sealer(["a new secret of ours"])).claim("w")
    assert given.address == "http://me:pw@10.0.0.9"
    assert await AddedServers(database, Sealer(["an old secret of ours"])).claim("w") == []
