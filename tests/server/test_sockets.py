from __future__ import annotations

import json

import pytest
from tests.server.wire import Feed, Wire, image, text_to_image

from comfywire.server import Server


async def test_the_greeting_says_the_queue_and_the_sid(wire: Wire, feed: Feed):
    greeting = {"status": {"exec_info": {"queue_remaining": 0}}, "sid": feed.client_id}

    assert feed.heard == [{"type": "status", "data": greeting}]


@pytest.mark.parametrize("path", ["/ws", "/api/ws?clientId="])
async def test_a_socket_without_client_id_is_given_one(wire: Wire, path):
    async with wire.session.ws_connect(path) as ws:
        greeting = await ws.receive_json()

    assert len(greeting["data"]["sid"]) == 32


async def test_flags_are_negotiated_by_the_first_message(wire: Wire):
    feed = await wire.feed(flags={"supports_preview_metadata": True})

    assert (await feed.next())["type"] == "feature_flags"


async def test_flags_after_another_message_are_ignored(server: Server, wire: Wire, feed: Feed):
    await feed.ws.send_str("not json is no message")
    await feed.ws.send_json({"type": "hello"})
    await feed.ws.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})

    await feed.until_end(await wire.submit(text_to_image(), feed))

    assert [frame[:4] for frame in feed.frames] == [b"\x00\x00\x00\x01"] * 3
    assert feed.of("feature_flags") == []


@pytest.mark.parametrize(
    ("flag", "kind"), [(True, 4), (1, 1), ("true", 1), (None, 1)], ids=["true", "one", "text", "null"]
)
async def test_only_true_brings_previews_with_metadata(wire: Wire, flag, kind):
    feed = await wire.feed(flags={"supports_preview_metadata": flag})
    await feed.next()

    await feed.until_end(await wire.submit(text_to_image(), feed))

    assert {frame[3] for frame in feed.frames} == {kind}


async def test_the_second_socket_of_a_client_takes_the_first_ones_messages(wire: Wire, feed: Feed):
    second = await wire.feed(feed.client_id)

    await second.until_end(await wire.submit(image(), second))

    with pytest.raises(TimeoutError):
        await feed.ws.receive(0.05)


async def test_the_end_of_the_first_socket_makes_the_second_deaf(server: Server, wire: Wire, feed: Feed):
    second = await wire.feed(feed.client_id)
    await feed.ws.close()
    await server.until(lambda: len(server.life.sockets.opened) == 1)

    await server.until_done(await wire.submit(image(), second))

    with pytest.raises(TimeoutError):
        await second.ws.receive(0.05)


async def test_a_client_that_comes_back_hears_the_running_node_without_its_prompt(
    server, wire: Wire, feed: Feed
):
    gate = server.faults.nodes.hold(node_id="2")
    prompt_id = await wire.submit(image(), feed)
    await server.until_executing(prompt_id, "2")
    await feed.ws.close()
    await server.until(lambda: not server.life.sockets.opened)

    back = await wire.feed(feed.client_id)
    replay = await back.next()
    gate.release()

    assert replay == {"type": "executing", "data": {"node": "2"}}
    assert "execution_success" in await back.until_end(prompt_id)


async def test_a_prompt_without_client_id_is_told_to_nobody_but_for_its_progress(
    server: Server, wire: Wire, feed
):
    prompt_id = await wire.submit(image())
    await server.until_done(prompt_id)
    await wire.post("/queue", {"clear": True})  # a last broadcast to wait for
    kinds: list[str] = []
    while len([kind for kind in kinds if kind == "status"]) < 4:
        kinds.append((await feed.next())["type"])

    assert set(kinds) == {"status", "progress_state"}


async def test_messages_of_a_client_reach_no_other(server: Server, wire: Wire, feed: Feed):
    other = await wire.feed()

    prompt_id = await wire.submit(image(), feed)
    await feed.until_end(prompt_id)
    await server.faults.messages.send(json.dumps({"type": "last", "data": {}}))
    await other.until("last")

    assert {one["type"] for one in other.heard} == {"status", "last"}


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        pytest.param("127.0.0.1:1", "http://127.0.0.1:1", 200, id="same"),
        pytest.param("127.0.0.1:1", "http://127.0.0.1", 200, id="a-port-is-missing"),
        pytest.param("127.0.0.1:1", "http://127.0.0.1:2", 403, id="another-port"),
        pytest.param("127.0.0.1:1", "http://localhost:1", 403, id="another-name"),
        pytest.param("example.org", "http://evil.example", 200, id="not-loopback"),
    ],
)
async def test_browsers_pages_from_elsewhere_are_refused(wire: Wire, host, origin, status):
    assert (await wire.get("/queue", headers={"Host": host, "Origin": origin}))[0] == status


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        *[(host, "http://127.0.0.1:1") for host in ("[::1", "[", "localhost:x", "127.0.0.1:8:8")],
        *[("127.0.0.1:1", origin) for origin in ("http://[::1", "http://127.0.0.1:99999")],
        ("[::1", "http://[::1"),
    ],
)
@pytest.mark.parametrize("path", ["/queue", "/ws", "/"])
async def test_a_host_or_an_origin_that_cannot_be_read_is_told_so(wire: Wire, caplog, host, origin, path):
    for _ in range(2):  # the connection is of use again
        status, words = await wire.get(path, headers={"Host": host, "Origin": origin})
        assert (status, words) == (400, b"The Host or the Origin of this request is malformed.\n")
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(("profile", "status"), [("0.3.64", 200), ("0.33.0", 403)])
async def test_cross_site_requests_are_refused_by_newer_servers(profile, status):
    async with Server(profile=profile) as server, Wire(server.url) as wire:
        assert (await wire.get("/queue", headers={"Sec-Fetch-Site": "cross-site"}))[0] == status
