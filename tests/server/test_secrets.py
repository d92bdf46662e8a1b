"""Keys in a prompt's extra_data: its nodes get them, and nobody else sees them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.server.wire import Wire, image

from comfywire.server import Server

KEYS = {"api_key_comfy_org": "K-secret", "auth_token_comfy_org": "T-secret"}


class Secret:
    """The node of the case: shows what is hidden from the graph."""

    RETURN_TYPES = ()
    FUNCTION = "go"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        hidden = {"auth": "AUTH_TOKEN_COMFY_ORG", "key": "API_KEY_COMFY_ORG"}
        return {"required": {"text": ("STRING", {"default": ""})}, "hidden": hidden}

    def go(self, text: str, auth: str | None = None, key: str | None = None) -> dict[str, Any]:
        return {"ui": {"text": [f"auth={auth} key={key}"]}}


@pytest.fixture(params=["0.3.64", "0.33.0"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    async with Server(profile=request.param, nodes={"BCSecret": Secret}) as server:
        yield server


@pytest.fixture
async def wire(server: Server) -> AsyncIterator[Wire]:
    async with Wire(server.url) as wire:
        yield wire


def prompt(text: str = "q") -> dict[str, Any]:
    return {"1": {"class_type": "BCSecret", "inputs": {"text": text}}}


async def shown(server: Server, wire: Wire, extra_data: dict[str, Any]) -> str:
    prompt_id = await wire.submit(prompt(), extra_data=extra_data)
    await server.until_done(prompt_id)
    entry = await wire.history(prompt_id)
    assert "secret" not in json.dumps(entry["prompt"])
    text: str = entry["outputs"]["1"]["text"][0]
    return text


@pytest.mark.parametrize(
    ("extra_data", "expected"),
    [
        pytest.param(KEYS, "auth=T-secret key=K-secret", id="both"),
        pytest.param({"api_key_comfy_org": "K-secret"}, "auth=None key=K-secret", id="the-key-alone"),
        pytest.param({"auth_token_comfy_org": "T-secret"}, "auth=T-secret key=None", id="the-token-alone"),
        pytest.param({"other": 1}, "auth=None key=None", id="neither"),
    ],
)
async def test_nodes_get_the_keys_and_history_does_not(server: Server, wire: Wire, extra_data, expected):
    assert await shown(server, wire, extra_data) == expected


async def test_each_prompt_has_its_own_keys(server: Server, wire: Wire):
    gate = server.faults.nodes.hold()
    ids = [await wire.submit(prompt(str(n)), extra_data={"api_key_comfy_org": f"K{n}"}) for n in range(3)]
    await wire.post("/queue", {"delete": [ids[1]]})
    gate.release()
    await server.until_idle()

    texts = [(await wire.history(one))["outputs"]["1"]["text"] for one in (ids[0], ids[2])]
    assert texts == [["auth=None key=K0"], ["auth=None key=K2"]]


async def test_a_newer_queue_shows_no_keys(server: Server, wire: Wire):
    server.faults.nodes.hold()
    for _ in range(2):
        await wire.submit(image(), extra_data=dict(KEYS))

    queue = json.dumps((await wire.get("/queue"))[1])

    version = (await wire.get("/system_stats"))[1]["system"]["comfyui_version"]
    # 0.3.64 shows them to whoever asks, as the real one does.
    assert ("secret" in queue) == (version == "0.3.64")
