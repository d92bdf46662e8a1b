"""What a process that was told to stop waits for: programs with a socket, until they have their results."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.client.graphs import image
from tests.service.relay.conftest import Face
from tests.service.relay.streams import stream
from tests.service.rig import until
from tests.service.serving import asking

from comfywire.service.core import Core
from comfywire.service.leaving import see_out


@pytest.fixture(name="faces")
def hasty_faces(faces: Any) -> Any:
    """Faces whose programs are not about to send anything once they have their results."""

    @contextlib.asynccontextmanager
    async def face(**options: Any) -> AsyncIterator[Face]:
        async with faces(**options) as there:
            there.core.hub.quiet = 0.0
            yield there

    return face


async def is_waited_on(core: Core) -> bool:
    return await core.hub.is_waited_on()


async def is_left_alone(core: Core) -> bool:
    return not await core.hub.is_waited_on()


async def test_a_socket_is_held_until_its_prompt_has_ended(faces: Any):
    async with faces() as face, stream(face.url, "me") as mine:
        held = face.servers[0].faults.nodes.hold(node_id="2")
        job = await face.queue(image(), "me")
        await mine.until(lambda kind, told: kind == "executing" and told["node"] == "2")
        leaving = asyncio.create_task(see_out(face.core, []))
        await asyncio.sleep(0)
        assert await is_waited_on(face.core)
        assert not leaving.done()
        held.release()
        await mine.until_over(str(job.id))
        async with asyncio.timeout(20):
            await leaving


async def test_a_socket_is_held_for_what_waits_in_the_queue(faces: Any):
    async with faces(works=False) as face, stream(face.url, "me") as mine:
        await until(lambda: is_left_alone(face.core))
        job = await face.queue(image(), "me")
        await until(lambda: is_waited_on(face.core))
        await face.core.store.cancel(job.id, "nobody wants it")
        await until(lambda: is_left_alone(face.core))
        del mine


@pytest.mark.parametrize("client_id", ["you", None])
async def test_a_socket_is_not_held_for_the_prompts_of_others(faces: Any, client_id: str | None):
    async with faces(works=False) as face, stream(face.url, "me"):
        await face.queue(image(), client_id)
        await until(lambda: is_left_alone(face.core))


async def test_a_socket_is_not_held_for_a_prompt_of_another_key_with_its_client_id(faces: Any):
    async with faces(works=False) as face, stream(face.url, "me"):
        _, secret = await face.core.access.create("other", ("native",))
        await face.queue(image(), "me", secret=secret)
        await until(lambda: is_left_alone(face.core))


async def test_who_asks_again_and_again_is_waited_for_until_somebody_else_answers(faces: Any):
    async with faces(works=False) as face, asking(base_url=face.url) as http:
        await face.queue(image(), None)
        assert not await face.core.hub.is_waited_on()
        face.core.hub.quiet = 60.0
        assert (await http.get("/history")).json() == {}
        assert await face.core.hub.is_waited_on()
        assert not await face.core.hub.is_waited_on(is_alone=False)


async def test_a_program_that_has_just_come_is_waited_for(faces: Any):
    async with faces(works=False) as face:
        face.core.hub.quiet = 60.0
        assert await is_left_alone(face.core)
        async with stream(face.url, "me"):
            assert await is_waited_on(face.core)


async def test_nobody_is_waited_for_longer_than_a_worker_waits_for_its_jobs(faces: Any):
    async with faces(works=False) as face, stream(face.url, "me"):
        await face.queue(image(), "me")
        hasty = replace(face.core, settings=replace(face.core.settings, drain_timeout=0.0))
        async with asyncio.timeout(20):
            await see_out(hasty, [])
        assert await is_waited_on(face.core)


async def test_a_process_that_is_about_to_stop_is_not_ready(faces: Any):
    async with faces(works=False) as face, asking(base_url=face.url) as http:
        assert (await http.get("/readyz")).status_code == 200
        await see_out(face.core, [])
        assert (await http.get("/readyz")).json()["error"]["code"] == "not_ready"
        assert (await http.get("/queue")).status_code == 200
