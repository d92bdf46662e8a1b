from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.server.wire import Wire, image

from comfywire.server import Server
from comfywire.server.faults.over_http import FAULTS


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(faults_over_http=True) as server:
        yield server


async def test_faults_over_http_are_off_unless_asked_for():
    async with Server() as server, Wire(server.url) as wire:
        assert (await wire.post("/comfywire/faults", {"fault": "messages.drop"}))[0] == 405
        assert (await wire.get("/comfywire/log"))[0] == 404


async def test_a_rule_made_over_http_strikes_and_is_listed(server: Server, wire: Wire):
    _, made = await wire.post("/comfywire/faults", {"fault": "replies.fail", "route": "GET /queue"})

    assert (await wire.get("/queue"))[0] == 503
    _, listed = await wire.get("/comfywire/faults")
    assert listed == [{"id": made["id"], "fault": "replies.fail", "hits": 1, "is_spent": True}]


async def test_a_rule_can_be_removed_over_http(server: Server, wire: Wire):
    body = {"fault": "replies.fail", "route": "GET /queue", "times": None}
    _, made = await wire.post("/comfywire/faults", body)

    async with wire.session.delete(f"/comfywire/faults/{made['id']}") as reply:
        assert reply.status == 200
    async with wire.session.delete(f"/comfywire/faults/{made['id']}") as reply:
        assert reply.status == 404

    assert (await wire.get("/queue"))[0] == 200


async def test_removing_a_hold_releases_the_node(server: Server, wire: Wire):
    _, made = await wire.post("/comfywire/faults", {"fault": "nodes.hold"})
    prompt_id = await wire.submit(image())
    await server.until_executing(prompt_id, "1")

    async with wire.session.delete(f"/comfywire/faults/{made['id']}"):
        await server.until_idle()

    assert server.runs(prompt_id)[0].how == "success"


async def test_all_rules_can_be_cleared_over_http(server: Server, wire: Wire):
    await wire.post("/comfywire/faults", {"fault": "replies.fail", "route": "*", "times": None})

    async with wire.session.delete("/comfywire/faults") as reply:
        assert reply.status == 200

    assert (await wire.get("/queue"))[0] == 200


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param({"fault": "life.explode"}, "there is no fault 'life.explode'", id="unknown"),
        pytest.param({"fault": "messages.passes"}, "there is no fault", id="not-public"),
        pytest.param(
            {"fault": "replies.fail"}, "missing a required argument: 'route'", id="argument-missing"
        ),
        pytest.param({"fault": "history.alter", "prompt_id": "x"}, "KeyError", id="nothing-there"),
    ],
)
async def test_a_wrong_request_is_answered_with_a_sentence(server: Server, wire: Wire, body, says):
    status, answer = await wire.post("/comfywire/faults", body)

    assert status == 400
    assert says in answer["error"]


async def test_a_server_killed_over_http_answers_first(server: Server, wire: Wire):
    before = server.life
    status, _ = await wire.post("/comfywire/faults", {"fault": "life.kill", "restart_after": 0.01})
    await server.until(lambda: server.is_running and server.life is not before)

    assert status == 202


async def test_the_log_says_what_ran(server: Server, wire: Wire):
    prompt_id = await wire.submit(image())
    await server.until_idle()

    _, log = await wire.get("/comfywire/log")

    assert [(run["prompt_id"], run["how"], run["nodes"]) for run in log] == [
        (prompt_id, "success", ["1", "2"])
    ]


def test_every_fault_that_can_be_named_exists():
    from comfywire.server import Faults

    faults = Faults()

    assert all(
        callable(getattr(getattr(faults, group), name)) for group, names in FAULTS.items() for name in names
    )
