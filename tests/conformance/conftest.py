"""The server that is asked: ours in both profiles, or the one that ``--comfyui URL`` names."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.client import models_3d
from tests.client.test_shown import PlainText
from tests.conformance.graphs import PARTS, slow
from tests.conformance.native import DIFFERS, DIFFERS_FOR, NATIVE, native_face
from tests.server.test_secrets import Secret
from tests.server.wire import Feed, Wire

from comfywire.server import Server, server_in_thread
from comfywire.workflow.catalogues.packaged import packaged

OURS = ("0.3.64", "0.33.0")
HAS_FACE = (
    find_spec("procrastinate") is not None and find_spec("comfywire.service.native.sockets") is not None
)
"""Whether the job service can be asked: it needs its extra, and the sockets of its face."""
HELD = {
    f"tests.conformance.test_{name}"
    for name in (
        "catalogue",
        "execution",
        "jobs",
        "messages",
        "mistakes",
        "queue",
        "saving",
        "sockets",
        "submission",
        "uploads",
        "userdata",
        "view",
    )
}
"""The modules that the job service is held to as well."""
PATIENCE = 60.0  # a real server's node may be deep in arithmetic
NODES_OF_CASES = {"BCPlainText": PlainText, "BCSecret": Secret}


@dataclass(frozen=True)
class Place:
    """A server, what it says it is, and where its input files are, if that is known.

    Ours has nodes of the tests' own here, and where such run, it lets in pages of this machine alone. The
    nodes of a slow prompt are slow there without arithmetic, which would take the tests beside it their time.
    """

    url: str
    input: Path | None = None
    is_ours: bool = False
    has_slow_nodes: bool = False

    @cached_property
    def version(self) -> tuple[int, ...]:
        stats = self.read("/system_stats")
        return tuple(int(part) for part in stats["system"]["comfyui_version"].split(".")[:3])

    @cached_property
    def node_types(self) -> frozenset[str]:
        return frozenset(self.read("/object_info"))

    @property
    def is_new(self) -> bool:
        """Whether it is nearer to 0.33.0 than to 0.3.64: the two versions that this suite knows."""
        return self.version >= (0, 26)

    @property
    def is_loopback(self) -> bool:
        return urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")

    def read(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=PATIENCE) as reply:
            return json.load(reply)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "place" in metafunc.fixturenames:
        url = metafunc.config.getoption("--comfyui")
        is_held = metafunc.module.__name__ in HELD and metafunc.function.__name__ not in DIFFERS
        face = [NATIVE] if HAS_FACE and is_held else []
        places = [url] if url else [*OURS, *face]
        metafunc.parametrize("place", places, indirect=True, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name, why in DIFFERS_FOR.items():
            if f"[{name}]" in item.nodeid:
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def place(request) -> Iterator[Place]:
    if request.param in OURS:
        with server_in_thread(profile=request.param, **more_nodes(request.param)) as server:
            slow_down(server)
            yield Place(server.url, server.folder / "input", is_ours=True, has_slow_nodes=True)
        return
    if request.param == NATIVE:
        with native_face() as (url, server):
            slow_down(server)
            yield Place(url, None, has_slow_nodes=True)
        return
    folder = request.config.getoption("--comfyui-input")
    place = Place(request.param.rstrip("/"), None if folder is None else Path(folder))
    if place.read("/prompt")["exec_info"]["queue_remaining"]:
        pytest.exit(f"{place.url} has prompts queued, and this suite would delete them: use an idle server")
    yield place


def slow_down(server: Server) -> None:
    """Have each part of a slow prompt take a tenth of a second, and the last one until it is interrupted."""
    for part in range(PARTS):
        seconds = 0.1 if part < PARTS - 1 else 1000
        server.call(server.faults.nodes.silent, seconds, node_id=f"scale{part}", times=None)


def more_nodes(profile: str) -> dict[str, Any]:
    """What the cases need beside the nodes that ours has: those that show models, two packs', a paid one."""
    old = {"Preview3D": models_3d.NODES["Preview3D"]}
    models = old if profile == "0.3.64" else models_3d.NODES
    paid = {"IdeogramV3": packaged().raw["IdeogramV3"]}
    return {"nodes": {**NODES_OF_CASES, **models}, "object_info": paid}


@pytest.fixture
async def wire(place: Place) -> AsyncIterator[Wire]:
    """A client of an idle server; whatever the test leaves running or waiting is ended."""
    async with Wire(place.url) as wire:
        yield wire
        await wire.post("/queue", {"clear": True})
        async with asyncio.timeout(PATIENCE):
            while await remaining(wire):
                await wire.post("/interrupt")
                await asyncio.sleep(0.02)  # nothing tells of the end of a prompt without a client_id


async def remaining(wire: Wire) -> int:
    _, answer = await wire.get("/prompt")
    count: int = answer["exec_info"]["queue_remaining"]
    return count


@pytest.fixture
async def feed(wire: Wire) -> Feed:
    return await wire.feed()


@pytest.fixture
async def running(place: Place, wire: Wire, feed: Feed) -> str:
    """The id of a prompt that runs for many seconds, so that others wait."""
    prompt_id = await wire.submit(slow(by_itself=not place.has_slow_nodes), feed)
    while (await feed.until("executing"))["data"].get("prompt_id") != prompt_id:
        pass
    while not (await wire.get("/queue"))[1]["queue_running"]:
        pass  # the service writes down that it runs a moment after that was told
    return prompt_id
