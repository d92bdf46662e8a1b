"""When a catalogue, which costs the ComfyUI a stall, is read again."""

from tests.service.rig import Rig

from comfywire.client import Client
from comfywire.server import Server
from comfywire.service.fleet.registry import Registry
from comfywire.service.worker.offer import Offer
from comfywire.service.worker.pace import Pace

PACE = Pace(catalogue=300.0, catalogue_wanted=30.0)
LACKING = {"1": {"class_type": "NoSuchNode", "inputs": {}}}


async def reads(rig: Rig, server: Server, *times: float, tags: tuple[str, ...] = ()) -> list[int]:
    """How often the catalogue had been read after each of these times, given the needs that there are."""
    counts = []
    registry = Registry(rig.database)
    async with Client(server.url) as client:
        offer = Offer(client, tags, registry, PACE)
        for now in times:
            await offer.read_if_due(now)
            counts.append(server.requests["GET /object_info"])
    return counts


async def test_a_catalogue_is_read_every_few_minutes(rig: Rig, server: Server):
    assert await reads(rig, server, 0, 29, 31, 299, 301) == [1, 1, 1, 1, 2]


async def test_sooner_when_a_job_waits_for_what_it_lacks(rig: Rig, server: Server):
    await rig.submit(LACKING)

    assert await reads(rig, server, 0, 29, 31, 59, 62) == [1, 1, 2, 2, 3]


async def test_but_not_for_a_job_that_does_not_wait_any_more(rig: Rig, server: Server):
    job = await rig.submit(LACKING)
    await rig.store.cancel(job.id)

    assert await reads(rig, server, 0, 31, 62) == [1, 1, 1]
