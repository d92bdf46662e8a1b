"""POST /prompt: ids, numbers, the order in which prompts run, and what is kept of them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from tests.conformance.conftest import Place
from tests.conformance.graphs import empty, node, picture
from tests.server.wire import Feed, Wire

ODD_IDS = ["mine", "", 7, "F47AC10B-58CC-4372-A567-0E02B2C3D479", "2a4599ba7978455e94f648c38855c199", ["x"]]


async def queue(wire: Wire) -> dict[str, Any]:
    answer: dict[str, Any] = (await wire.get("/queue"))[1]
    return answer


async def test_the_answer_names_id_and_number_and_no_errors(wire: Wire):
    prompt_id = str(uuid.uuid4())

    status, answer = await wire.post("/prompt", {"prompt": picture(), "prompt_id": prompt_id})

    assert status == 200
    assert list(answer) == ["prompt_id", "number", "node_errors"]
    assert (answer["prompt_id"], answer["node_errors"]) == (prompt_id, {})


async def test_without_an_id_the_server_makes_a_uuid(wire: Wire):
    _, answer = await wire.post("/prompt", {"prompt": picture()})

    assert str(uuid.UUID(answer["prompt_id"])) == answer["prompt_id"]


async def test_an_id_of_null_is_a_word_to_old_servers_and_none_to_new_ones(place: Place, wire: Wire):
    _, answer = await wire.post("/prompt", {"prompt": picture(), "prompt_id": None})

    if place.is_new:
        assert str(uuid.UUID(answer["prompt_id"])) == answer["prompt_id"]
    else:
        assert answer["prompt_id"] == "None"


@pytest.mark.parametrize("prompt_id", ODD_IDS, ids=repr)
async def test_an_id_that_is_no_canonical_uuid_is_text_to_old_servers_and_refused_by_new_ones(
    place: Place, wire: Wire, prompt_id
):
    status, answer = await wire.post("/prompt", {"prompt": picture(), "prompt_id": prompt_id})

    if not place.is_new:
        assert (status, answer["prompt_id"]) == (200, str(prompt_id))
        return
    details = "prompt_id must be a UUID string in canonical lowercase hyphenated form; "
    error = {
        "type": "invalid_prompt_id",
        "message": "prompt_id must be a valid UUID",
        "details": details + "omit it to let the server generate one",
        "extra_info": {},
    }
    assert (status, answer) == (400, {"error": error, "node_errors": {}})


async def test_the_same_id_may_be_used_again_and_history_holds_the_last(wire: Wire, feed: Feed):
    first, second = picture(1), picture(2)
    prompt_id = await wire.submit(first, feed)
    await feed.until_end(prompt_id)

    await feed.until_end(await wire.submit(second, feed, prompt_id=prompt_id))

    assert (await wire.history(prompt_id))["prompt"][2]["1"]["inputs"]["color"] == 2


async def number(wire: Wire, prompt: Any, **more: Any) -> float:
    _, answer = await wire.post("/prompt", {"prompt": prompt, **more})
    told: float = answer["number"]
    return told


async def test_numbers_count_up_also_over_prompts_that_are_refused(wire: Wire):
    first = await number(wire, picture())
    await wire.post("/prompt", {"prompt": {}})

    assert await number(wire, picture()) == first + 2


async def test_a_number_of_ones_own_is_a_float_and_uses_none_up(wire: Wire):
    first = await number(wire, picture())

    assert await number(wire, picture(), number="-7.5") == -7.5
    assert await number(wire, picture()) == first + 1


async def test_front_is_the_negative_of_the_number_that_was_due(wire: Wire):
    first = await number(wire, picture())

    assert await number(wire, picture(), front=True) == -(first + 1)
    assert await number(wire, picture()) == first + 2


async def test_pending_prompts_are_listed_as_the_heap_holds_them(wire: Wire, running: str):
    for place_ in (5, 9, 7, 6, 1):
        await wire.submit(picture(), number=place_)

    listed = await queue(wire)

    assert [item[0] for item in listed["queue_pending"]] == [1, 5, 7, 9, 6]
    assert [item[1] for item in listed["queue_running"]] == [running]


async def test_prompts_run_by_number_and_a_later_front_overtakes_an_earlier_one(wire, running: str, feed):
    asked: dict[str, dict[str, Any]] = {
        "first": {},
        "front": {"front": True},
        "later front": {"front": True},
        "last": {"number": 1e9},
        "urgent": {"number": -1e9},
    }
    names = {await wire.submit(picture(), feed, **more): name for name, more in asked.items()}

    await wire.post("/interrupt", {"prompt_id": running})
    await feed.until_end(next(prompt_id for prompt_id, name in names.items() if name == "last"))

    order = [names[start["prompt_id"]] for start in feed.of("execution_start")[1:]]
    assert order == ["urgent", "later front", "front", "first", "last"]


async def test_an_item_has_five_parts_and_the_values_as_they_were_converted(wire: Wire, running: str):
    prompt = picture(7)
    prompt["1"]["inputs"] |= {"width": 16.9, "height": "8"}
    prompt["1"]["_meta"] = {"title": "a title"}

    prompt_id = await wire.submit(prompt, client_id="conformance-me", extra_data={"x": 1}, unknown="key")
    ((_, its_id, graph, extra_data, outputs),) = (await queue(wire))["queue_pending"]

    assert (its_id, outputs) == (prompt_id, ["2"])
    assert (extra_data["x"], extra_data["client_id"]) == (1, "conformance-me")
    assert graph["1"] == prompt["1"] | {
        "inputs": {"width": 16, "height": 8, "batch_size": 1, "color": 7},
    }
    assert graph["2"] == prompt["2"]


async def test_new_servers_note_when_a_prompt_came(place: Place, wire: Wire, running: str):
    ((_, _, _, extra_data, _),) = (await queue(wire))["queue_running"]

    assert set(extra_data) == {"client_id", "create_time"} if place.is_new else {"client_id"}


async def test_new_servers_note_what_a_program_calls_itself(place: Place, wire: Wire, feed: Feed):
    body = {"prompt": picture(), "client_id": feed.client_id}
    _, answer = await wire.post("/prompt", body, headers={"Comfy-Usage-Source": "conformance"})
    await feed.until_end(answer["prompt_id"])

    extra_data = (await wire.history(answer["prompt_id"]))["prompt"][3]
    assert extra_data.get("comfy_usage_source") == ("conformance" if place.is_new else None)


async def test_keys_are_not_shown_in_history_and_by_new_servers_not_in_the_queue(
    place: Place, wire: Wire, running: str, feed: Feed
):
    secrets = {"api_key_comfy_org": "secret", "auth_token_comfy_org": "secret", "other": 1}

    prompt_id = await wire.submit(picture(), feed, extra_data=secrets)
    ((_, _, _, pending, _),) = (await queue(wire))["queue_pending"]
    await wire.post("/interrupt", {"prompt_id": running})
    await feed.until_end(prompt_id)

    kept = (await wire.history(prompt_id))["prompt"][3]
    assert ("api_key_comfy_org" in pending) is not place.is_new
    assert (kept["other"], set(kept) & {"api_key_comfy_org", "auth_token_comfy_org"}) == (1, set())


def two_pictures() -> dict[str, Any]:
    return {**picture(), "3": empty(), "4": node("PreviewImage", images=["3", 0])}


async def test_only_the_targets_run_and_unknown_ones_are_ignored(wire: Wire, feed: Feed):
    targets = ["4", "unknown"]

    prompt_id = await wire.submit(two_pictures(), feed, partial_execution_targets=targets)
    await feed.until_end(prompt_id)

    entry = await wire.history(prompt_id)
    assert entry["prompt"][4] == ["4"]
    assert [one["node"] for one in feed.of("executing")] == ["3", "4", None]
    assert list(entry["outputs"]) == ["4"]


async def test_without_targets_all_outputs_run(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(two_pictures(), feed)
    await feed.until_end(prompt_id)

    entry = await wire.history(prompt_id)
    assert sorted(entry["prompt"][4]) == sorted(entry["outputs"]) == ["2", "4"]


async def test_targets_that_match_no_output_are_refused(wire: Wire):
    status, answer = await wire.post("/prompt", {"prompt": picture(), "partial_execution_targets": ["1"]})

    assert (status, answer["error"]["type"]) == (400, "prompt_no_outputs")


async def test_outputs_that_are_wrong_are_dropped_if_another_is_right(wire: Wire, feed: Feed):
    prompt = two_pictures()
    prompt["3"]["inputs"]["width"] = 0

    status, answer = await wire.post("/prompt", {"prompt": prompt, "client_id": feed.client_id})
    kinds = await feed.until_end(answer["prompt_id"])

    assert (status, list(answer["node_errors"])) == (200, ["3"])
    wrong = answer["node_errors"]["3"]
    assert (wrong["dependent_outputs"], wrong["class_type"]) == (["4"], "EmptyImage")
    assert [error["type"] for error in wrong["errors"]] == ["value_smaller_than_min"]
    assert "execution_success" in kinds
    assert list((await wire.history(answer["prompt_id"]))["outputs"]) == ["2"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"prompt": "text"}, id="prompt-is-text"),
        pytest.param({"prompt": [1]}, id="prompt-is-a-list"),
        pytest.param({"prompt": None}, id="prompt-is-null"),
        pytest.param({"prompt": {"1": 7}}, id="node-is-a-number"),
        pytest.param({"prompt": picture(), "number": "x"}, id="number-is-no-number"),
        pytest.param({"prompt": picture(), "extra_data": [], "client_id": "x"}, id="extra-data-is-a-list"),
        pytest.param(7, id="body-is-a-number"),
    ],
)
async def test_a_body_of_a_wrong_type_is_a_500_in_plain_text(wire: Wire, caplog, body):
    caplog.set_level("CRITICAL", logger="aiohttp.server")

    async with wire.session.post("/prompt", json=body) as reply:
        assert (reply.status, reply.content_type) == (500, "text/plain")
        assert "Server got itself in trouble" in await reply.text()


@pytest.mark.parametrize("body", [{}, {"client_id": "x"}, ["x"], "text"], ids=repr)
async def test_a_body_without_a_prompt_is_no_prompt(wire: Wire, body):
    status, answer = await wire.post("/prompt", body)

    message = "No prompt provided"
    error = {"type": "no_prompt", "message": message, "details": message, "extra_info": {}}
    assert (status, answer) == (400, {"error": error, "node_errors": {}})


@pytest.mark.parametrize("path", ["/prompt", "/queue", "/history", "/free"])
async def test_malformed_json_is_a_500(wire: Wire, path, caplog):
    caplog.set_level("CRITICAL", logger="aiohttp.server")

    async with wire.session.post(path, data=b"{not json") as reply:
        assert (reply.status, reply.content_type) == (500, "text/plain")


async def test_the_content_type_of_a_body_means_nothing(wire: Wire):
    async with wire.session.post("/queue", data=b'{"clear": true}') as reply:
        assert (reply.status, await reply.read()) == (200, b"")
