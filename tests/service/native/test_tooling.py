"""/api/etn on the service: what krita-ai-diffusion asks for, in the order in which its client asks.

The order is that of ai_diffusion/backend/comfy_client.py (krita-ai-diffusion 1.53.0).
"""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import pytest
from tests.service.native.conftest import Service, each_runs_one, ended, submitted
from tests.service.native.test_files import opened, png
from tests.service.rig import until
from tests.service.serving import asking

from comfywire.server import Server


def graph(name: str, *, word: str = "", invert: bool = False) -> dict[str, Any]:
    """Load a picture by its id, and give it back; another ``word`` makes another graph."""
    source = ["2", 0] if invert else ["1", 0]
    prompt: dict[str, Any] = {
        "1": {"class_type": "ETN_LoadImageCache", "inputs": {"id": name}},
        "9": {"class_type": "ETN_SaveImageCache", "inputs": {"images": source, "format": "PNG"}},
    }
    if invert:
        prompt["2"] = {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}}
    if word:
        prompt["5"] = {"class_type": "PreviewAny", "inputs": {"source": word}}
    return prompt


@pytest.fixture
async def servers() -> AsyncIterator[tuple[Server, Server]]:
    async with Server(tooling=True) as one, Server(tooling=True, profile="0.33.0") as two:
        yield one, two


@contextlib.asynccontextmanager
async def socket(
    service: Service, secret: str, client_id: str
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(f"{service.url}/ws?clientId={client_id}") as one,
    ):
        yield one


async def put(client: httpx.AsyncClient, name: str, content: bytes) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    answer = await client.put(f"/api/etn/image/{name}", content=content, headers=headers)
    assert answer.status_code == 201, answer.text


async def got(client: httpx.AsyncClient, name: str) -> Any:
    """The colour of a picture."""
    answer = await client.get(f"/api/etn/image/{name}")
    assert answer.status_code == 200, answer.text
    return opened(answer.content).getpixel((0, 0))


def ids_of(entry: dict[str, Any]) -> list[str]:
    return [image["id"] for image in entry["outputs"]["9"]["images"]]


async def test_the_sequence_of_krita_ends_with_its_picture(
    service: Service, servers: tuple[Server, Server]
) -> None:
    secret, client_id, job_id = await service.key("native"), str(uuid.uuid4()), str(uuid.uuid4())
    headers = {"Authorization": f"Bearer {secret}"}
    colors: list[Any] = []
    async with (
        service.worker(*servers),
        asking(base_url=service.url, headers=headers, timeout=60) as client,
        socket(service, secret, client_id) as one,
    ):
        assert "devices" in (await client.get("/system_stats")).json()
        assert "ETN_LoadImageCache" in (await client.get("/object_info")).json()
        assert (await client.get("/api/etn/languages")).json() == []
        await put(client, "0f9a", png((255, 0, 255)))
        body = {"prompt": graph("0f9a", invert=True), "client_id": client_id, "prompt_id": job_id}
        assert (await client.post("/prompt", json=body)).json()["prompt_id"] == job_id
        while True:
            message = json.loads((await one.receive(timeout=60)).data)
            if message["type"] == "executed":  # krita fetches at once, while the prompt still runs
                images = message["data"]["output"]["images"]
                assert {image["source"] for image in images} == {"http"}
                colors += [await got(client, image["id"]) for image in images]
            if message["type"] == "executing" and message["data"]["node"] is None:
                break

    assert colors == [(0, 255, 0)]


async def test_a_picture_is_on_whichever_server_runs_the_job(
    service: Service, client: httpx.AsyncClient, servers: tuple[Server, Server]
) -> None:
    await put(client, "a.1", png())
    async with service.worker(*servers):
        async with each_runs_one(*servers, node_id="9"):
            ids = [await submitted(client, graph("a.1", word=str(number))) for number in range(4)]
        entries = [await ended(client, prompt_id) for prompt_id in ids]
    told = [name for entry in entries for name in ids_of(entry)]

    assert {entry["status"]["status_str"] for entry in entries} == {"success"}
    assert [await got(client, name) for name in told] == [(1, 2, 3)] * 4
    assert len(set(told)) == 4


async def test_what_was_made_can_be_loaded_by_its_id(
    service: Service, client: httpx.AsyncClient, servers: tuple[Server, Server]
) -> None:
    await put(client, "first", png((255, 0, 255)))
    async with service.worker(*servers):
        (made,) = ids_of(await ended(client, await submitted(client, graph("first"))))
        (again,) = ids_of(await ended(client, await submitted(client, graph(made, invert=True))))

    assert await got(client, again) == (0, 255, 0)


async def test_nobody_sees_or_loads_a_picture_of_another_key(
    service: Service, client: httpx.AsyncClient, servers: tuple[Server, Server]
) -> None:
    await put(client, "mine", png())
    async with service.worker(*servers), service.client(name="another") as other:
        (made,) = ids_of(await ended(client, await submitted(client, graph("mine"))))
        tried = [await submitted(other, graph(name, word=name)) for name in ("mine", made)]
        statuses = [(await ended(other, prompt_id))["status"] for prompt_id in tried]

        for name in ("mine", made, "no-such"):
            answer = await other.get(f"/api/etn/image/{name}")
            assert (answer.status_code, answer.json()) == (404, {"error": "Image not found"})
    for status in statuses:
        assert status["status_str"] == "error"
        assert "not found in cache" in json.dumps(status["messages"])


async def test_another_picture_under_the_same_id_comes_in_its_place(
    service: Service, client: httpx.AsyncClient, servers: tuple[Server, Server]
) -> None:
    seen = []
    async with service.worker(servers[0]):
        for color in ((1, 1, 1), (2, 2, 2)):
            await put(client, "canvas", png(color))
            (made,) = ids_of(await ended(client, await submitted(client, graph("canvas"))))
            seen.append(await got(client, made))

    assert seen == [(1, 1, 1), (2, 2, 2)]


async def test_its_pictures_are_in_no_menu_of_files(client: httpx.AsyncClient) -> None:
    await put(client, "hidden", png())

    assert (await client.get("/internal/files/input")).json() == []
    assert await got(client, "hidden") == (1, 2, 3)


async def test_models_are_described_page_by_page(
    service: Service, client: httpx.AsyncClient, servers: tuple[Server, Server]
) -> None:
    found: dict[str, Any] = {}

    async def is_known() -> bool:
        found.clear()
        total, offset = 1, 0
        while offset < total:
            query = {"offset": str(offset), "limit": "2"}
            page = (await client.get("/api/etn/model_info/checkpoints", params=query)).json()
            about = page.pop("_meta")
            assert (about["offset"], about["count"]) == (offset, len(page))
            found.update(page)
            total, offset = about["total"], offset + 2
        return bool(found)

    async with service.worker(*servers):
        await until(is_known)
        names = (await client.get("/models/checkpoints")).json()

    assert set(found) == set(names)
    assert all(info["base_model"] in ("sd15", "sdxl", "flux") for info in found.values())


@pytest.mark.parametrize("name", ["a b", "x" * 201])
async def test_an_id_that_is_none_is_refused(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.put(f"/api/etn/image/{name}", content=b"x")

    assert answer.status_code == 400
    assert "a picture's id" in answer.json()["error"]


async def test_a_picture_that_is_too_large_is_refused(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comfywire.service.native.tooling.LARGEST", 100)

    assert (await client.put("/api/etn/image/large", content=b"x" * 101)).status_code == 413
    assert (await client.get("/api/etn/image/large")).status_code == 404


async def test_a_model_is_there_already_or_its_upload_is_refused_in_words(
    service: Service, client: httpx.AsyncClient, servers: tuple[Server, Server]
) -> None:
    there: list[str] = []

    async def is_listed() -> bool:
        there[:] = (await client.get("/models/loras")).json()
        return bool(there)

    async with service.worker(*servers):
        await until(is_listed)
        known = await client.put(f"/api/etn/upload/loras/{there[0]}", content=b"x" * 99)
        other = await client.put("/api/etn/upload/loras/mine.safetensors", content=b"x" * 99)

    assert (known.status_code, known.json()) == (200, {"status": "cached"})
    assert other.status_code == 501
    assert other.json() == {
        "error": "models are not uploaded to a fleet: "
        "put 'mine.safetensors' into models/loras of its ComfyUIs"
    }


async def test_krita_may_ask_for_workflows_that_nobody_can_publish(client: httpx.AsyncClient) -> None:
    answers = [
        await client.post("/api/etn/workflow/subscribe", json={"client_id": "me"}),
        await client.post("/api/etn/workflow/unsubscribe", json={"client_id": "me"}),
        await client.post("/api/etn/workflow/subscribe", json={}),
        await client.post("/api/etn/workflow/publish", json={"name": "a", "client_id": "me", "workflow": {}}),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 400, 501]
    assert isinstance(answers[-1].json()["error"], str)


async def test_whoever_refuses_says_so_in_words_that_krita_shows(service: Service) -> None:
    async with asking(base_url=service.url) as nobody:
        refused = await nobody.put("/api/etn/image/a", content=b"x")
        odd = await nobody.get("/api/etn/image/a%00b")

    assert (refused.status_code, odd.status_code) == (401, 400)
    assert isinstance(refused.json()["error"], str)
    assert isinstance(odd.json()["error"], str)
