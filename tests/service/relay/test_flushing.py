"""The end of a job waits for what was said of it, and not for what is said of others meanwhile."""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from tests.service.relay.conftest import Face
from tests.service.relay.streams import stream
from tests.service.rig import until

from comfywire.service.core import open_core
from comfywire.service.relay.relay import Relay
from comfywire.service.relay.said import Audience, Said


def news(audience: Audience, text: str) -> Said:
    return Said(uuid.uuid4(), audience, "executing", f'{{"type": "{text}", "data": {{}}}}')


async def speaking_without_end(relay: Relay, audience: Audience) -> None:
    """Whenever one message is on its way, the next one waits."""
    while True:
        if not relay._waiting:
            relay.say(news(audience, "other"))
        await asyncio.sleep(0)


async def test_a_flush_ends_while_others_go_on_speaking(
    faces: Callable[..., AbstractAsyncContextManager[Face]],
) -> None:
    async with (
        faces(works=False) as face,
        open_core(face.core.settings) as theirs,
        stream(face.url, "me") as mine,
    ):
        audience = Audience((await face.core.access.caller(None)).key_id, "me")

        async def is_known() -> bool:
            return theirs.relay.has_listeners(audience)

        watching = asyncio.create_task(theirs.relay.watch_sockets())
        await until(is_known)
        others = asyncio.create_task(speaking_without_end(theirs.relay, audience))
        theirs.relay.say(news(audience, "mine"))
        async with asyncio.timeout(60):
            await theirs.relay.flush()
        assert not others.done()
        for task in (others, watching):
            task.cancel()
        await theirs.relay.flush()
        await mine.until(lambda kind, _: kind == "mine")
