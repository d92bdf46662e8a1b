"""/interrupt with the id of a prompt that has not begun, as far as anybody knows."""

import httpx
from tests.client.graphs import image
from tests.service.relay.streams import stream
from tests.service.serving import asking

from comfywire.server import Server
from comfywire.service.jobs.states import JobState


async def whereabouts(client: httpx.AsyncClient, prompt_id: str) -> list[str]:
    """Where a program that asks for the queue, and then for the history, finds a prompt."""
    queue = (await client.get("/queue")).json()
    history = (await client.get("/history")).json()
    found = [name for name, items in queue.items() if prompt_id in [item[1] for item in items]]
    return [*found, *(["history"] if prompt_id in history else [])]


async def until_waiting(server: Server, prompt_id: str) -> None:
    """Wait until a prompt is in a ComfyUI's own queue."""
    await server.until(lambda: prompt_id in [item[1] for item in server.life.queue.snapshot()[1]])


async def test_what_waits_on_a_comfyui_ends_when_it_is_interrupted_and_every_way_of_asking_says_so(faces):
    async with faces() as face, stream(face.url, "me") as mine, asking(base_url=face.url) as client:
        (server,) = face.servers
        gate = server.faults.nodes.hold(class_type="SaveImage")
        running = await face.queue(image(), "me")
        await server.until_executing(str(running.id), "2")
        waiting = await face.queue(image(color=1), "me")
        await until_waiting(server, str(waiting.id))

        assert (await client.post("/interrupt", json={"prompt_id": str(waiting.id)})).status_code == 200
        while "history" not in (found := await whereabouts(client, str(waiting.id))):
            assert found, "it is in neither"

        told = await mine.until_over(str(waiting.id))
        entry = (await client.get(f"/history/{waiting.id}")).json()[str(waiting.id)]
        (listed,) = (await client.get("/api/jobs?status=cancelled")).json()["jobs"]
        ended = await face.core.store.get(waiting.id)
        gate.release()
        await mine.until_over(str(running.id))

    assert [said["prompt_id"] for kind, said in told if kind == "execution_interrupted"] == [str(waiting.id)]
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"
    assert listed["id"] == str(waiting.id)
    assert ended is not None
    assert ended.state is JobState.CANCELED
    assert server.runs(str(waiting.id)) == []


async def test_what_is_on_no_comfyui_yet_waits_on_as_there(faces):
    """post_interrupt looks among what runs, and passes over every other id (server.py, 0.33.0)."""
    async with faces(works=False) as face, asking(base_url=face.url) as client:
        waiting = await face.queue(image(), "me")

        assert (await client.post("/interrupt", json={"prompt_id": str(waiting.id)})).status_code == 200

        assert await whereabouts(client, str(waiting.id)) == ["queue_pending"]


async def test_what_is_deleted_from_the_queue_of_a_comfyui_leaves_no_trace_as_there(faces):
    async with faces() as face, asking(base_url=face.url) as client:
        (server,) = face.servers
        gate = server.faults.nodes.hold(class_type="SaveImage")
        running = await face.queue(image(), "me")
        await server.until_executing(str(running.id), "2")
        waiting = await face.queue(image(color=1), "me")
        await until_waiting(server, str(waiting.id))

        await client.post("/queue", json={"delete": [str(waiting.id)]})

        assert await whereabouts(client, str(waiting.id)) == []
        gate.release()
