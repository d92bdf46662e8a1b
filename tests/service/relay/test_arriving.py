"""What happens to a queue while a socket is being opened: its first number may be old, and is put right."""

import asyncio
import json
from uuid import UUID

from tests.client.graphs import image
from tests.service.held import Held

from comfywire.service.relay.hub import NATIVE, Hub
from comfywire.service.relay.relay import Relay


async def test_a_prompt_that_came_while_a_socket_was_opened_is_counted_for_it(faces):
    async with (
        faces(works=False) as face,
        Held(face.core.settings.database_url, lambda values: "socket" in values) as held,
        Hub(held, Relay(held)) as hub,
    ):
        told, listens = asyncio.Event(), asyncio.Event()
        opening = asyncio.create_task(counts_of(hub, (await face.core.access.caller(None)).key_id))
        await held.asked.wait()  # it has counted what waits: nothing
        listening = asyncio.create_task(held.listen([NATIVE], lambda *_: told.set(), listens.set))
        await listens.wait()
        await face.queue(image(), "me")
        await told.wait()  # the hub was told before, and had nobody to tell
        held.go_on.set()

        assert await opening == [0, 1]
        listening.cancel()
        await asyncio.wait([listening])


async def counts_of(hub: Hub, key_id: UUID) -> list[int]:
    """The first two numbers that a new socket is told of its queue."""
    async with hub.socket(key_id, "me") as ear:
        frames = ear.outbox.frames()
        told = [json.loads(await anext(frames))["data"] for _ in range(2)]
    return [one["status"]["exec_info"]["queue_remaining"] for one in told]
