"""Other people's clients, while the service that they take for their ComfyUI is restarted: none notices.

While the first job of the client runs, it is told to stop (SIGTERM) and the next one is started at once; or
the next one is started, and tells it (``--take-over``). The next one takes the address over, and answers from
then on. The one before keeps its sockets, and its jobs, to their ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.peers.face import Face
from tests.peers.test_native_peers import (
    ALL,
    Driven,
    begin_anew,
    cli,
    commands,
    held_at_work,
    module,
    must_have_found,
)
from tests.peers.test_peers import PROFILES, Prompt, interpreter, node, task_of

from comfywire.server import server_in_thread

pytestmark = [pytest.mark.timeout(240)]
__all__ = ["cli", "commands", "interpreter", "module", "node"]


@pytest.fixture(scope="module")
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    with server_in_thread(profile=PROFILES[0]) as one, server_in_thread(profile=PROFILES[1]) as other:
        served = Face(tmp_path_factory.mktemp("service"), [one, other], is_whole=request.param)
        with served.running():
            yield served


@pytest.fixture
def fleet(service: Face) -> Iterator[Face]:
    begin_anew(service)
    yield service
    for server in service.servers:
        server.call(server.faults.clear)
    service.until_left()


# With a worker of its own it is the sockets alone that count: one client for each way to wait.
CLIENTS = {True: ALL, False: ["websocket_client", "comfykit_http"]}


@pytest.mark.parametrize(
    ("service", "is_whole", "name"),
    [(is_whole, is_whole, name) for is_whole, names in CLIENTS.items() for name in names],
    indirect=["service"],
)
def test_a_client_does_not_notice_that_the_service_was_restarted(
    fleet: Face, tmp_path: Path, commands: Callable[[str], list[str]], name: str, *, is_whole: bool
) -> None:
    task: Prompt = task_of([fleet.url] * len(PROFILES), tmp_path)
    client = Driven(commands(name), task)
    with held_at_work(client, fleet):
        fleet.succeed_api(is_told=is_whole)

    must_have_found(client, name)
    assert {times for _, times in fleet.runs()} == {1}
