"""Many jobs, big frames, junk, other people: each job hears its own, and gets its own."""

import asyncio

import pytest
from tests.soon import soon

from comfywire import Client, ExecutionStart, PreviewImage
from comfywire.server import Server

from .conftest import held, names, picture, sampled


async def checkpoint(client: Client) -> str:
    return (await client.models("checkpoints"))[0]


@pytest.mark.fault("B12")
async def test_two_clients_at_once_hear_only_their_own(server: Server, client: Client) -> None:
    await server.faults.messages.foreign()
    async with Client(server.url) as other:
        jobs = [await (client, other)[number % 2].submit(picture(number)) for number in range(10)]
        heard = [[event.prompt_id async for event in job.events()] for job in jobs]
        results = [await soon(job.result()) for job in jobs]

    assert [set(ids) for ids in heard] == [{job.prompt_id} for job in jobs]
    assert [names(result) for result in results] == [[f"c{number}_00001_.png"] for number in range(10)]


@pytest.mark.fault("B12")
async def test_foreign_progress_and_previews_are_nobodys(server: Server, client: Client) -> None:
    async with held(server, client) as job:
        for _ in range(5):
            await server.faults.messages.foreign()

    kinds = [type(event) async for event in job.events()]
    assert kinds[0] is ExecutionStart
    assert PreviewImage not in kinds


@pytest.mark.fault("B13")
async def test_a_thousand_prompts_in_flight_resolve_when_each_is_done(server: Server, client: Client) -> None:
    done: list[str] = []

    async def follow(number: int) -> None:
        job = await client.submit(picture(number))
        result = await soon(job.result(), 90)
        assert names(result) == [f"c{number}_00001_.png"]
        done.append(job.prompt_id)

    await asyncio.gather(*(follow(number) for number in range(1000)))

    ran = [run.prompt_id for run in server.log]
    assert sorted(done) == sorted(ran)
    assert server.requests["GET /history/{prompt_id}"] <= 1000 + 20
    assert server.requests["GET /queue"] <= 20


@pytest.mark.fault("B14")
@pytest.mark.parametrize("megabytes", [2, 5, 40])
async def test_a_frame_of_many_megabytes_is_received(server: Server, client: Client, megabytes: int) -> None:
    async with held(server, client) as job:
        await server.faults.messages.oversized(megabytes << 20)

    assert names(await soon(job.result(), 20)) == ["c1_00001_.png"]
    assert "sockets_lost" not in client.counts


@pytest.mark.fault("B15")
async def test_junk_on_the_socket_is_never_fatal(server: Server, client: Client) -> None:
    async with held(server, client) as job:
        await server.faults.messages.junk()

    result = await soon(job.result())

    assert (names(result), result.warnings) == (["c1_00001_.png"], [])
    assert "sockets_lost" not in client.counts


@pytest.mark.fault("B16")
async def test_results_are_results_and_previews_are_previews(server: Server, client: Client) -> None:
    graph = sampled(1)
    graph["1"]["inputs"]["ckpt_name"] = await checkpoint(client)
    job = await client.submit(graph)

    previews = [event async for event in job.events() if isinstance(event, PreviewImage)]
    result = await soon(job.result())

    assert {preview.node_id for preview in previews} <= {"4"}
    assert [(output.node_id, output.type) for output in result.outputs] == [("6", "socket"), ("7", "output")]
    assert (await result.outputs[0].read())[:4] == b"\x89PNG"


@pytest.mark.fault("B16")
async def test_every_output_node_hands_over_its_results(server: Server, client: Client) -> None:
    graph = picture()
    graph["3"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    graph["4"] = {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}

    result = await soon(client.run(graph))

    assert [(output.node_id, output.kind) for output in result.outputs] == [
        ("2", "image"),
        ("3", "image"),
        ("4", "text"),
    ]


async def test_newer_servers_list_jobs_without_their_graphs(newer: Server) -> None:
    async with Client(newer.url) as client:
        async with held(newer, client) as job:
            await newer.faults.sockets.cut("rst")
            await newer.until(lambda: newer.requests["GET /jobs"] + newer.requests["GET /api/jobs"] >= 2)

        assert names(await soon(job.result())) == ["c1_00001_.png"]
        assert newer.requests["GET /queue"] == 0


@pytest.mark.parametrize("fault", ["drop", "repeat", "delay", "reorder"])
@pytest.mark.parametrize("kind", ["executed", "execution_success", "executing", "progress_state", "status"])
async def test_messages_that_are_lost_late_or_shuffled_change_no_result(
    server: Server, client: Client, fault: str, kind: str
) -> None:
    rule = getattr(server.faults.messages, fault)
    if fault == "delay":
        rule(kind, 0.2, times=None)
    else:
        rule(kind, times=None)

    results = [await soon(client.run(picture(number)), 8) for number in (1, 2)]

    assert [names(result) for result in results] == [["c1_00001_.png"], ["c2_00001_.png"]]
    assert len(server.log) == 2
