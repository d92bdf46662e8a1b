"""Other people's clients, while the service that they take for their ComfyUI is restarted: none notices.

While the first job of the client runs, it is told to stop (SIGTERM) and the next one is started at once; or
the next one is started, and tells it (``--take-over``). The next one takes the address over, and answers from
then on. The one before keeps its sockets, and its jobs, to their ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.peers.face import Face, until
from tests.peers.test_native_peers import ALL, Driven, checks_of, cli, commands, module
from tests.peers.test_peers import NODE_TIME, PROFILES, Prompt, interpreter, node, task_of

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
    """Both servers up, nodes that take a moment, and nothing remembered."""
    service.until_up()
    for server in service.servers:
        server.faults.nodes.slow(NODE_TIME, node_id="1", times=None)
        server.call(
            server.life.queue.set_flag, "free_memory", True
        )  # what was cached runs no node: none is held
        server.log.clear()
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
    held = [server.faults.nodes.hold(node_id="1") for server in fleet.servers]
    client = Driven(commands(name), task)
    client.start()
    until(lambda: any(rule.hits for rule in held) or not client.is_alive())

    fleet.succeed_api(is_told=is_whole)
    for rule in held:
        rule.release()

    for found in client.found():
        for check in checks_of(name):
            check(found)
    assert {times for _, times in fleet.runs()} == {1}
