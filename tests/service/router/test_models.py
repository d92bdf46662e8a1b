"""The Comfy Router's API, over real sockets; comfy-sdk itself is driven in tests/service/api."""

import asyncio
from typing import Any

from tests.service.rig import until

from comfywire.service.jobs.states import JobState

SQUARE = "/local/square"


def error_of(answer: Any) -> tuple[int, str]:
    assert answer.headers["x-comfy-error-type"] == answer.json()["error_type"]
    return answer.status_code, answer.json()["error_type"]


async def test_a_run_answers_with_what_it_made(town):
    answer = await town.ask("POST", SQUARE, json={"color": 7})

    job = answer.json()
    assert (answer.status_code, job["status"], job["inputs"]) == (200, "succeeded", {"color": 7})
    assert (await town.http.get(job["outputs"][0]["url"])).headers["content-type"] == "image/png"


async def test_the_same_request_again_gets_the_same_job(town):
    key = {"Idempotency-Key": "once"}

    first, again = [await town.ask("POST", SQUARE, json={"color": 7}, headers=key) for _ in range(2)]
    other = await town.ask("POST", SQUARE, json={"color": 8}, headers=key)
    stranger = await town.ask("POST", SQUARE, json={"color": 8}, headers={**key, **await town.another()})

    assert first.json()["id"] == again.json()["id"]
    assert [one.headers.get("idempotent-replayed") for one in (first, again)] == [None, "true"]
    assert error_of(other) == (409, "invalid_input")
    assert stranger.json()["inputs"] == {"color": 8}


async def test_a_run_that_takes_long_is_collected_by_its_key(hasty_town):
    town = hasty_town
    held, key = town.comfyui.faults.nodes.hold(node_id="1"), {"Idempotency-Key": "long"}

    first = await town.ask("POST", SQUARE, json={}, headers=key)
    held.release()
    await until(lambda: town.core.store.search(states=[JobState.SUCCEEDED]))
    again = await town.ask("POST", SQUARE, json={}, headers=key)

    assert error_of(first) == (504, "deadline_exceeded")
    assert first.headers["retry-after"] == "1"
    assert again.json()["status"] == "succeeded"
    assert len(await town.core.store.search()) == 1


async def test_a_run_can_be_queued_and_asked_for(town):
    held = town.comfyui.faults.nodes.hold(node_id="1")
    handle = await town.ask("POST", f"{SQUARE}/requests", json={"color": 7})
    urls = handle.json()
    early = await town.http.get(urls["response_url"])
    await until(lambda: is_running(town))
    standing = await town.http.get(urls["status_url"])
    held.release()
    await until(lambda: town.core.store.search(states=[JobState.SUCCEEDED]))

    done, made = await town.http.get(urls["status_url"]), await town.http.get(urls["response_url"])
    late = await town.http.put(urls["cancel_url"])

    assert handle.status_code == 201
    assert (early.status_code, early.headers["retry-after"]) == (202, "1")
    assert (standing.json()["status"], standing.headers["retry-after"]) == ("IN_PROGRESS", "1")
    assert (done.json()["status"], done.json().get("error_type")) == ("COMPLETED", None)
    assert made.json()["outputs"][0]["type"] == "image"
    assert (late.status_code, late.json()["status"]) == (409, "ALREADY_COMPLETED")


async def is_running(town: Any) -> bool:
    return bool(await town.core.store.search(states=[JobState.RUNNING]))


async def is_struck(rule: Any) -> bool:
    return bool(rule.hits)


async def test_what_ends_badly_is_a_completion_with_a_type(town):
    held = town.comfyui.faults.nodes.hold(node_id="1")
    stopped = (await town.ask("POST", f"{SQUARE}/requests", json={})).json()
    await until(lambda: is_struck(held))
    asked = await town.http.put(stopped["cancel_url"])
    await until(lambda: town.core.store.search(states=[JobState.CANCELED]))
    held.release()  # a node that is let go might end well before it is interrupted
    broken = (await town.ask("POST", "/local/broken/requests", json={})).json()
    await until(lambda: town.core.store.search(states=[JobState.FAILED]))

    told = [(await town.http.get(one["status_url"])).json()["error_type"] for one in (stopped, broken)]
    result = await town.http.get(broken["response_url"])

    assert (asked.status_code, asked.json()["status"]) == (202, "CANCELLATION_REQUESTED")
    assert told == ["cancelled", "provider_error"]
    assert error_of(result) == (424, "provider_error")  # no status that clients repeat by themselves


async def test_what_cannot_be_run_is_refused_in_the_routers_shape(town):
    reader = await town.another("read")
    nothing = "00000000-0000-0000-0000-000000000000"
    asked = {
        "no-model": (town.ask("POST", "/local/round", json={}), (404, "model_not_found")),
        "no-provider": (town.ask("POST", "/bfl/flux", json={}), (404, "model_not_found")),
        "no-input": (town.ask("POST", SQUARE, json={"colour": 1}), (422, "invalid_input")),
        "no-json": (town.ask("POST", SQUARE, content=b"{"), (422, "invalid_input")),
        "no-such-request": (town.ask("GET", f"{SQUARE}/requests/{nothing}"), (404, "request_not_found")),
        "no-id": (town.ask("GET", f"{SQUARE}/requests/x/status"), (404, "request_not_found")),
        "no-key": (town.ask("GET", "", headers={"Authorization": "Bearer cw_x"}), (401, "unauthorized")),
        "no-scope": (town.ask("POST", SQUARE, json={}, headers=reader), (403, "forbidden")),
        "another-provider": (
            town.ask("POST", f"{SQUARE}?model_provider=fal", json={}),
            (422, "invalid_input"),
        ),
        "a-foreign-page": (
            town.ask("POST", SQUARE, json={}, headers={"Origin": "https://evil.example"}),
            (403, "forbidden"),
        ),
    }

    told = {name: error_of(answer) for name, answer in zip(asked, await _all(asked), strict=True)}

    assert told == {name: expected for name, (_, expected) in asked.items()}
    assert await town.core.store.search() == []


async def _all(asked: dict[str, Any]) -> list[Any]:
    return await asyncio.gather(*(answer for answer, _ in asked.values()))


async def test_a_request_is_its_keys_and_its_models_own(town):
    handle = (await town.ask("POST", f"{SQUARE}/requests", json={})).json()
    stranger, path = await town.another(), f"/requests/{handle['request_id']}"

    answers = [
        await town.ask("GET", f"{SQUARE}{path}/status", headers=stranger),
        await town.ask("GET", f"{SQUARE}{path}", headers=stranger),
        await town.ask("PUT", f"{SQUARE}{path}/cancel", headers=stranger),
        await town.ask("GET", f"/local/broken{path}/status"),
    ]

    assert [error_of(answer) for answer in answers] == [(404, "request_not_found")] * 4


async def test_models_are_listed_by_pages_with_their_schemas(town):
    one = (await town.ask("GET", "?limit=1")).json()
    two = (await town.ask("GET", f"?cursor={one['next_cursor']}&limit=999")).json()
    schema = await town.ask("GET", f"{SQUARE}/openapi.json")
    unchanged = await town.ask(
        "GET", f"{SQUARE}/openapi.json", headers={"If-None-Match": schema.headers["etag"]}
    )
    readers = (await town.ask("GET", "", headers=await town.another("read"))).json()

    assert [model["id"] for model in one["data"] + two["data"]] == ["local/broken", "local/square"]
    assert (one["has_more"], two["has_more"], two["limit"], readers["data"]) == (True, False, 100, [])
    assert (await town.ask("GET", SQUARE)).json() == two["data"][0]
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    body = schema.json()["components"]["schemas"]
    assert set(body["Inputs"]["properties"]) == {"color"}
    assert "outputs" in body["Job"]["properties"]


async def test_an_alias_is_a_model_too(town):
    record = await town.core.workflows.get("square")
    await town.core.workflows.add("square", record.prompt, None, key_id=record.key_id, aliases=["drawing"])

    handle = (await town.ask("POST", "/local/drawing/requests", json={})).json()

    assert (await town.http.get(handle["status_url"])).status_code == 200
