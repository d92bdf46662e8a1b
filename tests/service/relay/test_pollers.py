"""Who asks again and again sees each prompt in the queue or in the history: never in neither, never back."""

import asyncio

import httpx
from tests.client.graphs import image

from comfywire.service.jobs.records import JobRecord

ENDS, RUNS = 4, 2


async def test_no_poller_sees_a_prompt_in_neither_or_in_the_queue_after_its_end(faces):
    async with faces() as face, httpx.AsyncClient(verify=False, base_url=face.url, timeout=30) as http:
        held = face.servers[0].faults.nodes.hold(node_id="2")
        jobs = [await face.queue(image(color=number), "me") for number in range(ENDS + RUNS)]
        polling = [asyncio.create_task(poll(http, jobs)) for _ in range(3)]
        await asyncio.gather(*(end(http, job) for job in jobs[:ENDS]))
        held.release()
        async with asyncio.timeout(60):
            await asyncio.gather(*polling)


async def end(http: httpx.AsyncClient, job: JobRecord) -> None:
    """Interrupt it as soon as it runs; what only waits would be gone without a trace, as from a ComfyUI."""
    while str(job.id) in await queued(http):
        running = (await http.get("/queue")).json()["queue_running"]
        if str(job.id) in [item[1] for item in running]:
            await http.post("/interrupt", json={"prompt_id": str(job.id)})


async def poll(http: httpx.AsyncClient, jobs: list[JobRecord]) -> None:
    """Look until all have ended."""
    wanted = {str(job.id) for job in jobs}
    over: set[str] = set()
    while over != wanted:
        waiting = await queued(http)
        over = set((await http.get("/history")).json())
        assert waiting | over == wanted
        assert not over & await queued(http)
        listed = (await http.get("/api/jobs")).json()["jobs"]
        assert {job["id"] for job in listed} == wanted
        assert over <= {job["id"] for job in listed if job["status"] in ("completed", "cancelled")}


async def queued(http: httpx.AsyncClient) -> set[str]:
    queue = (await http.get("/queue")).json()
    return {item[1] for item in (*queue["queue_running"], *queue["queue_pending"])}
