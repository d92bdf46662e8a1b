"""A worker says over HTTP whether it is alive."""

import asyncio
import contextlib
from collections.abc import Callable

import pytest
from tests.service.serving import asking

from comfywire.service.event_loop import new_event_loop
from comfywire.service.worker.health import CannotAnswer, answering

Factory = Callable[[], asyncio.AbstractEventLoop]


@pytest.mark.parametrize(
    ("path", "is_ready", "status"),
    [
        ("/healthz", False, 200),
        ("/readyz", True, 200),
        ("/readyz", False, 503),
        ("/elsewhere", True, 404),
    ],
)
async def test_a_worker_says_how_it_is(path: str, is_ready: bool, status: int) -> None:
    async with (
        answering(0, lambda: is_ready, host="127.0.0.1") as port,
        asking(trust_env=False) as client,
    ):
        answer = await client.get(f"http://127.0.0.1:{port}{path}")

    assert answer.status_code == status


async def test_nonsense_gets_an_answer_and_harms_nobody() -> None:
    async with answering(0, lambda: True, host="127.0.0.1") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"nonsense\n\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 404")
        writer.close()
        async with asking(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{port}/healthz")).text == "ok"


async def test_a_port_that_is_taken_is_told() -> None:
    async with answering(0, lambda: True, host="127.0.0.1") as port:
        with pytest.raises(CannotAnswer, match=f"cannot listen on port {port}"):
            async with answering(port, lambda: True, host="127.0.0.1"):
                pass


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\n"], ids=["nothing", "half-a-request"])
def test_who_still_asks_when_it_leaves_is_broken_off_and_nothing_is_left(
    factory: Factory, sent: bytes
) -> None:
    wrong: list[object] = []

    async def leave() -> set[asyncio.Task[object]]:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: wrong.append(told))
        before = asyncio.all_tasks()
        async with answering(0, lambda: True, host="127.0.0.1") as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            while asyncio.all_tasks() == before:  # noqa: ASYNC110 - until it is taken
                await asyncio.sleep(0)
        left = asyncio.all_tasks() - before
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        return left

    with asyncio.Runner(loop_factory=factory) as runner:
        left = runner.run(leave())

    assert (left, wrong) == (set(), [])
