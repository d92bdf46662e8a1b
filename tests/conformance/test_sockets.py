"""GET /ws: greeting, feature flags, one socket per clientId, and who hears what."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import uuid

import pytest
from tests.conformance.graphs import empty, node, picture
from tests.server.wire import Feed, Wire

SILENCE = 0.2  # seconds in which a message that another socket has had already would have come


async def is_deaf(feed: Feed, witness: Feed, wire: Wire) -> bool:
    """Whether a broadcast that the witness hears does not come here."""
    await wire.post("/queue", {"clear": True})  # which tells everybody how long the queue is
    await witness.until("status")
    try:
        await asyncio.wait_for(feed.next(), SILENCE)
    except TimeoutError:
        return True
    return False


async def test_the_first_message_is_the_status_with_the_client_id(wire: Wire):
    feed = await wire.feed("conformance-me")

    greeting = {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "conformance-me"}
    assert feed.heard == [{"type": "status", "data": greeting}]


@pytest.mark.parametrize("query", ["", "?clientId="])
async def test_a_socket_without_client_id_gets_one(wire: Wire, query):
    async with wire.session.ws_connect(f"/ws{query}") as ws:
        sid = (await ws.receive_json())["data"]["sid"]

    assert uuid.UUID(hex=sid).hex == sid


async def test_sockets_are_served_under_api_too(wire: Wire):
    async with wire.session.ws_connect("/api/ws?clientId=conformance-me") as ws:
        assert (await ws.receive_json())["type"] == "status"


async def test_ws_without_an_upgrade_is_a_400(wire: Wire):
    assert (await wire.get("/ws"))[0] == 400


async def test_feature_flags_as_the_first_frame_are_answered_with_the_servers(wire: Wire, feed: Feed):
    await feed.ws.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})

    assert (await feed.next()) == {"type": "feature_flags", "data": (await wire.get("/features"))[1]}


async def test_feature_flags_after_another_frame_are_ignored(wire: Wire, feed: Feed):
    await feed.ws.send_json({"type": "hello"})
    await feed.ws.send_json({"type": "feature_flags", "data": {}})

    await wire.post("/queue", {"clear": True})

    assert (await feed.next())["type"] == "status"


async def test_a_frame_that_is_no_json_does_not_count_as_the_first(feed: Feed):
    await feed.ws.send_str("{not json")
    await feed.ws.send_bytes(b"neither")
    await feed.ws.send_json({"type": "feature_flags", "data": {}})

    assert (await feed.next())["type"] == "feature_flags"


async def test_a_frame_of_more_than_4_mib_ends_the_socket(wire: Wire):
    feed = await wire.feed()

    with contextlib.suppress(ConnectionError):  # the server does not read the rest of it
        await feed.ws.send_str(" " * (4 * 1024**2 + 1))

    with pytest.raises((EOFError, ConnectionError)):
        await feed.next()
    assert feed.ws.closed


async def test_a_second_socket_of_a_client_id_takes_the_firsts_place(wire: Wire, feed: Feed):
    first = await wire.feed("conformance-twice")
    second = await wire.feed("conformance-twice")

    assert await is_deaf(first, feed, wire)
    assert (await second.next())["type"] == "status"
    assert not first.ws.closed


async def test_the_old_sockets_end_takes_the_new_ones_registration_along(wire: Wire, feed: Feed):
    first = await wire.feed("conformance-twice", ends_first=True)
    second = await wire.feed("conformance-twice")

    await first.ws.close()
    await settled(wire)

    assert await is_deaf(second, feed, wire)
    assert not second.ws.closed


async def test_after_the_old_socket_has_ended_the_same_client_id_hears_again(wire: Wire):
    await (await wire.feed("conformance-again", ends_first=True)).ws.close()
    await settled(wire)
    again = await wire.feed("conformance-again")

    await wire.post("/queue", {"clear": True})

    assert (await again.next())["type"] == "status"


async def settled(wire: Wire) -> None:
    """Until the server has dealt with what was sent to it before: it reads in turn."""
    for _ in range(3):
        await wire.get("/prompt")


async def test_a_reconnect_is_told_what_runs_but_not_of_which_prompt(wire: Wire, running: str, feed: Feed):
    again = await wire.feed(feed.client_id)

    message = await again.next()

    assert message["type"] == "executing"
    assert list(message["data"]) == ["node"]
    assert isinstance(message["data"]["node"], str)


async def test_a_reconnect_goes_on_hearing(wire: Wire, running: str, feed: Feed):
    again = await wire.feed(feed.client_id)
    await again.next()

    await wire.post("/interrupt", {"prompt_id": running})

    assert (await again.until_end(running))[-2:] == ["execution_interrupted", "executing"]


async def test_nobody_else_is_told_what_runs_when_it_connects(wire: Wire, running: str):
    other = await wire.feed()

    await wire.post("/queue", {"clear": True})

    assert (await other.next())["type"] == "status"


async def test_others_hear_only_how_long_the_queue_is(wire: Wire, feed: Feed):
    other = await wire.feed()

    await feed.until_end(await wire.submit(picture(), feed))
    await wire.post("/queue", {"clear": True})
    while (await other.next())["data"]["status"]["exec_info"]["queue_remaining"]:
        pass

    assert {message["type"] for message in other.heard} == {"status"}


async def test_a_client_id_in_extra_data_is_enough(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(picture(), extra_data={"client_id": feed.client_id})

    assert "execution_success" in await feed.until_end(prompt_id)


async def test_progress_of_a_prompt_without_client_id_goes_to_everybody_and_nothing_else(wire, feed: Feed):
    prompt_id = await wire.submit(picture())
    await feed.until("progress_state")
    last = await wire.submit(picture(), feed)
    await feed.until_end(last)

    of_it = {one["type"] for one in feed.heard if one["data"].get("prompt_id") == prompt_id}
    assert of_it == {"progress_state"}


async def test_messages_for_an_empty_client_id_go_nowhere(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(picture(), client_id="")
    await feed.until_end(await wire.submit(picture(), feed))

    assert [one for one in feed.heard if one["data"].get("prompt_id") == prompt_id] == []


def shown_on_the_socket() -> dict[str, object]:
    return {"1": empty(), "2": node("SaveImageWebsocket", images=["1", 0])}


async def socket_picture(wire: Wire, flag: object) -> tuple[str, bytes]:
    """The prompt's id, and the one binary frame of SaveImageWebsocket."""
    if (await wire.get("/object_info/SaveImageWebsocket"))[1] == {}:
        pytest.skip("this server was started without custom_nodes/websocket_image_save.py")
    feed = await wire.feed(flags={"supports_preview_metadata": flag})
    prompt_id = await wire.submit(shown_on_the_socket(), feed)
    kinds = await feed.until_end(prompt_id)
    assert "executed" not in kinds
    assert (await wire.history(prompt_id))["outputs"] == {}
    (frame,) = feed.frames
    return prompt_id, frame


@pytest.mark.parametrize("flag", [False, 1, "true"])
async def test_a_picture_for_the_socket_is_a_frame_of_type_1(wire: Wire, flag):
    _, frame = await socket_picture(wire, flag)

    assert struct.unpack(">II", frame[:8]) == (1, 2)  # a preview, PNG
    assert frame[8:16] == b"\x89PNG\r\n\x1a\n"


async def test_a_client_that_takes_metadata_gets_a_frame_of_type_4(wire: Wire):
    prompt_id, frame = await socket_picture(wire, flag=True)

    kind, length = struct.unpack(">II", frame[:8])
    metadata = json.loads(frame[8 : 8 + length])
    assert kind == 4
    assert metadata == {
        "node_id": "2",
        "prompt_id": prompt_id,
        "display_node_id": "2",
        "parent_node_id": None,
        "real_node_id": "2",
        "image_type": "image/png",
    }
    assert frame[8 + length : 16 + length] == b"\x89PNG\r\n\x1a\n"
