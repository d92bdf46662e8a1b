"""A worker that is killed while a program listens: another one takes over, and the end is told."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from tests.client.graphs import image, over_socket
from tests.service.relay.conftest import are_up, worker_of
from tests.service.relay.streams import PASSING, stream
from tests.service.rig import killed, until, working

from comfywire.server import Server


@pytest.mark.hostile
async def test_the_end_of_a_prompt_whose_worker_was_killed_is_told(faces):
    async with faces(works=False) as face, Server() as server:
        rig: Any = SimpleNamespace(folder=face.core.settings.data, database=face.core.database)
        async with stream(face.url, "me") as mine:
            async with killed(rig, server.url):
                await until(lambda: are_up(face.core, 1))
                held = server.faults.nodes.hold(node_id="2")
                job = await face.queue(image(), "me")
                await mine.until(lambda kind, told: kind == "executing" and told["node"] == "2", seconds=60)
            eager = replace(face.core, settings=replace(face.core.settings, stalled_after=0.5))
            async with working(worker_of(eager, [server])):
                held.release()
                await mine.until_over(str(job.id), seconds=60)

    assert len(server.runs(str(job.id))) == 1
    assert mine.kinds(*PASSING, "status")[-3:] == ["executed", "execution_success", "executing"]
    assert mine.kinds().count("execution_success") == 1


@pytest.mark.hostile
async def test_pictures_for_the_socket_come_from_a_prompt_whose_worker_was_killed(faces):
    async with faces(works=False) as face, Server() as server:
        rig: Any = SimpleNamespace(folder=face.core.settings.data, database=face.core.database)
        async with stream(face.url, "me") as mine:
            async with killed(rig, server.url):
                await until(lambda: are_up(face.core, 1))
                held = server.faults.nodes.hold(node_id="1")
                job = await face.queue(over_socket(), "me")
                await mine.until(lambda kind, told: kind == "executing" and told["node"] == "1", seconds=60)
            eager = replace(face.core, settings=replace(face.core.settings, stalled_after=0.5))
            async with working(worker_of(eager, [server])):
                await mine.until(lambda kind, told: kind == "executing" and told["node"] == "1", seconds=60)
                held.release()
                await mine.until_over(str(job.id), seconds=60)

    (picture,) = [frame for frame in mine.of("binary") if frame[8:12] == b"\x89PNG"]
    assert picture
    assert {told["prompt_id"] for told in mine.of("executing")} == {str(job.id)}
