"""A worker says over HTTP whether it is alive."""

import asyncio

import pytest
from tests.service.serving import asking

from comfywire.service.worker.health import CannotAnswer, answering


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
