"""OpenAI's images, over real sockets: the service, a worker and a ComfyUI."""

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from tests.service.api.conftest import closed
from tests.service.openai.conftest import EDIT, EDIT_PARAMETERS, png, shown
from tests.service.rig import is_at_work, until

from comfywire.service.jobs.states import JobState
from comfywire.service.openai.errors import JobEnded, JobGoesOn
from comfywire.service.openai.orders import Order, all_ended, canceling


def error_of(answer: Any) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


async def test_a_picture_comes_in_base64(town):
    answer = await town.ask()

    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert shown(base64.b64decode(body["data"][0]["b64_json"]))[0] == (64, 64)
    assert (body["size"], body["output_format"], body["usage"]["total_tokens"]) == ("64x64", "png", 0)
    assert body["data"][0]["revised_prompt"] == "a boat"


async def test_a_picture_comes_as_a_link_that_needs_no_key(town):
    (picture,) = (await town.ask(response_format="url")).json()["data"]

    assert shown((await town.http.get(picture["url"])).content)[0] == (64, 64)


@pytest.mark.parametrize(
    "odd",
    [
        {"negative": "a\0"},
        {"negative": "a\ud800b"},
        {"zz\0": "a"},
        {"negative": ["\ud800"]},
        {"prompt": "\0"},
    ],
    ids=ascii,
)
async def test_a_text_that_cannot_be_kept_is_refused(town, odd):
    body = json.dumps({"model": "draw", "prompt": "a boat", **odd})
    headers = {"Content-Type": "application/json"}
    answers = [
        await town.http.post(path, content=body, headers=headers)
        for path in ("/v1/images/generations", "/v1/images/edits", "/v1/videos")
    ]

    assert [answer.status_code for answer in answers] == [400] * 3
    assert all("NUL" in answer.json()["error"]["message"] for answer in answers)


async def test_a_form_with_a_text_that_cannot_be_kept_is_refused(town):
    fields = {"model": (None, "draw"), "negative": (None, "a\0b")}

    answer = await town.http.post("/v1/videos", files=fields)

    assert (answer.status_code, "NUL" in answer.json()["error"]["message"]) == (400, True)


async def test_several_pictures_are_a_batch_of_jobs_that_differ(town):
    answer = await town.ask(n=2, seed=5)

    ids = [uuid.UUID(job_id) for job_id in answer.headers["comfywire-job-ids"].split(",")]
    looks = [await town.core.store.look(job_id, with_inputs=True) for job_id in ids]
    jobs = [look.job for look in looks if look is not None]
    assert len(answer.json()["data"]) == 2
    assert [(job.inputs or {})["seed"] for job in jobs] == [5, 6]
    assert len({job.batch_id for job in jobs}) == 1
    assert [(job.workflow_name, job.labels) for job in jobs] == [("draw", {"openai": "image"})] * 2


async def test_what_cannot_be_is_told_in_openais_shape(town):
    refused: dict[str, tuple[dict[str, Any], Any]] = {
        "quotes": ({"model": 'a "b"'}, (404, "model_not_found", "model")),
        "n": ({"n": 11}, (400, "invalid_request", "n")),
        "input": ({"tone": "warm"}, (400, "unknown_parameter", "tone")),
        "value": ({"steps": "many"}, (400, "invalid_input", None)),
    }

    answers = {name: await town.ask(**body) for name, (body, _) in refused.items()}

    assert {name: error_of(answer) for name, answer in answers.items()} == {
        name: error for name, (_, error) in refused.items()
    }
    for answer in answers.values():
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert await town.core.store.search() == []


async def test_what_no_route_has_looked_at_is_told_in_openais_shape(with_keys):
    small = with_keys.core.settings.max_body_bytes
    foreign = {"Origin": "https://evil.example"}
    path = "/v1/images/generations"
    refused = {
        "no-key": (with_keys.http.post(path, json={}), (401, "invalid_api_key")),
        "too-large": (with_keys.http.post(path, content=b"x" * (small + 1)), (413, "payload_too_large")),
        "too-large-in-pieces": (with_keys.http.post(path, content=pieces(small)), (401, "invalid_api_key")),
        "a-foreign-page": (with_keys.http.post(path, json={}, headers=foreign), (403, "forbidden")),
        "no-host": (with_keys.http.get("/v1/models", headers={"Host": 'a"b'}), (400, "invalid_request")),
        "no-such-path": (with_keys.http.get("/v1/chat/completions"), (404, "not_found")),
        "no-such-method": (with_keys.http.delete("/v1/models"), (405, "method_not_allowed")),
    }

    answers = {name: await asked for name, (asked, _) in refused.items()}

    told = {name: (answer.status_code, answer.json()["error"]["code"]) for name, answer in answers.items()}
    assert told == {name: expected for name, (_, expected) in refused.items()}
    for answer in answers.values():
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    elsewhere = await with_keys.http.get("/api/v2/nothing")
    assert set(elsewhere.json()["error"]) == {"code", "message", "details"}


async def pieces(most: int) -> AsyncIterator[bytes]:
    for _ in range(3):
        yield b"x" * (most // 2)


async def test_limits_are_told_in_openais_shape(with_keys):
    _, secret = await with_keys.core.access.create("app", ["submit"], rate_per_minute=1)
    headers = {"Authorization": f"Bearer {secret}"}
    path = "/v1/images/generations"
    await with_keys.http.post(path, json={}, headers=headers)

    answer = await with_keys.http.post(path, json={}, headers=headers)

    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (
        429,
        "rate_limit_error",
        "rate_limit_exceeded",
    )
    assert int(answer.headers["retry-after"]) > 0


async def test_an_outage_is_told_in_openais_shape(with_keys, database_url):
    async with closed(database_url):
        answer = await with_keys.http.get("/v1/models", headers={"Authorization": "Bearer cw_x"})

    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (503, "server_error", None)


async def test_a_workflow_has_other_names(town):
    await town.register(
        "draw", (await town.core.workflows.get("draw")).prompt, aliases=["gpt-image-1", "a/b:c"]
    )

    listed = (await town.http.get("/v1/models")).json()["data"]
    answer = await town.ask(model="gpt-image-1")

    assert [model["id"] for model in listed] == ["draw", "a/b:c", "gpt-image-1"]
    assert (await town.http.get("/v1/models/a/b:c")).json()["id"] == "a/b:c"
    assert answer.status_code == 200, answer.text


async def test_a_default_is_for_models_that_nobody_knows(with_default):
    for model in ("whatever", None):
        assert (await with_default.ask(model=model)).status_code == 200


async def test_a_picture_is_edited_with_a_mask(town):
    await town.register("edit", EDIT, parameters=EDIT_PARAMETERS, options={"outputs": ["4", "5"]})
    files = [("image[]", ("a.png", png(16, "blue"), "image/png")), ("mask", ("m.png", png(16, "#00000000")))]

    answer = await town.http.post("/v1/images/edits", data={"model": "edit", "prompt": "x"}, files=files)

    edited, mask = (shown(base64.b64decode(one["b64_json"])) for one in answer.json()["data"])
    assert (edited, mask) == (((16, 16), (0, 0, 255)), ((16, 16), (255, 255, 255)))


async def test_a_picture_to_be_edited_may_be_a_link(town):
    await town.register("edit", EDIT, parameters=EDIT_PARAMETERS)
    link = "data:image/png;base64," + base64.b64encode(png(4, "blue")).decode()
    body = {"model": "edit", "images": [{"image_url": link}], "mask": link}

    answer = await town.http.post("/v1/images/edits", json=body)

    assert shown(base64.b64decode(answer.json()["data"][0]["b64_json"])) == ((4, 4), (0, 0, 255))


async def test_files_that_do_not_fit_leave_nothing_behind(town):
    await town.register("edit", EDIT, parameters=EDIT_PARAMETERS)
    refused = {
        "'image' is required": [("mask", ("m.png", png()))],
        "takes 1 picture, and 2 came": [("image", ("a.png", png()))] * 2,
        "is no file here": [("photo", ("a.png", png()))],
    }

    for words, files in refused.items():
        answer = await town.http.post("/v1/images/edits", data={"model": "edit"}, files=files)

        assert (answer.status_code, words in answer.json()["error"]["message"]) == (400, True), answer.text
    assert await town.core.database.all("SELECT id FROM assets") == []


async def test_the_same_request_again_gets_the_same_picture(town):
    headers = {"Idempotency-Key": "once"}
    body = {"model": "draw", "prompt": "a boat", "size": "64x64"}

    first, again = [
        await town.http.post("/v1/images/generations", json=body, headers=headers) for _ in range(2)
    ]
    other = await town.http.post("/v1/images/generations", json={**body, "n": 2}, headers=headers)

    assert first.json()["data"] == again.json()["data"]
    assert len(await town.core.store.search()) == 1
    assert error_of(other) == (400, "idempotency_key_reuse", None)


@pytest.mark.parametrize(
    ("headers", "stream", "end"),
    [
        pytest.param({}, False, JobState.CANCELED, id="canceled"),
        pytest.param({}, True, JobState.CANCELED, id="a-stream"),
        pytest.param({"Comfywire-On-Disconnect": "keep"}, True, JobState.SUCCEEDED, id="told-otherwise"),
        pytest.param({"Idempotency-Key": "x"}, False, JobState.SUCCEEDED, id="who-will-come-again"),
    ],
)
async def test_a_client_that_hangs_up_cancels_its_job(town, headers, end, stream):
    held = town.comfyui.faults.nodes.hold(node_id="3")
    body = {"model": "draw", "prompt": "a boat", "size": "64x64", "stream": stream}
    asking = asyncio.create_task(_read(town.http, body, headers))
    await until(lambda: is_at_work(town.core.store))

    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    if end is JobState.CANCELED:  # a node that is let go might end well before it is interrupted
        await until(lambda: town.core.store.search(states=[JobState.CANCELED]))
    held.release()

    await until(lambda: town.core.store.search(states=[end]))


async def _read(http: Any, body: Any, headers: Any) -> None:
    async with http.stream("POST", "/v1/images/generations", json=body, headers=headers) as answer:
        await answer.aread()


@pytest.mark.parametrize("body", [{}, {"stream": True}, {"n": 2}, {"n": 2, "stream": True}], ids=str)
async def test_a_service_that_stops_cancels_nothing(town, body):
    held = town.comfyui.faults.nodes.hold(node_id="3")
    asking = asyncio.create_task(town.ask(**body))
    await until(lambda: is_at_work(town.core.store))

    town.core.broker.close()
    answer = await asking
    states = {job.state for job in await town.core.store.search()}
    held.release()

    assert "job_goes_on" in answer.text
    assert states <= {JobState.QUEUED, JobState.RUNNING}
    assert len(await _succeeded(town, body.get("n", 1))) == body.get("n", 1)


async def _succeeded(town: Any, count: int) -> Any:
    async def all_of_them() -> Any:
        found = await town.core.store.search(states=[JobState.SUCCEEDED])
        return found if len(found) == count else None

    await until(all_of_them)
    return await town.core.store.search(states=[JobState.SUCCEEDED])


async def test_an_answer_that_waits_no_longer_cancels_nothing(town):
    job_id = (await town.http.post("/api/v2/workflows/draw/jobs", json={"tags": ["nowhere"]})).json()["id"]
    order = Order((uuid.UUID(job_id),), is_kept=False)

    with pytest.raises(JobGoesOn):
        async with canceling(town.core, order):
            await all_ended(town.core, order.job_ids, longest=0.01)

    assert [job.state for job in await town.core.store.search()] == [JobState.QUEUED]


@pytest.mark.parametrize(
    ("error", "is_canceled"),
    [
        (ClientDisconnect(), True),
        (JobEnded("no paint left", "job_failed"), True),
        (JobGoesOn(uuid.UUID(int=1)), False),
        (asyncio.CancelledError(), False),
        (ConnectionError("the database is away"), False),
    ],
    ids=lambda each: type(each).__name__,
)
async def test_the_rest_is_canceled_when_nobody_wants_it_any_more_and_only_then(town, error, is_canceled):
    job_id = (await town.http.post("/api/v2/workflows/draw/jobs", json={"tags": ["nowhere"]})).json()["id"]
    order = Order((uuid.UUID(job_id),), is_kept=False)

    with pytest.raises(type(error)):
        async with canceling(town.core, order):
            raise error

    (job,) = await town.core.store.search()
    assert job.state is (JobState.CANCELED if is_canceled else JobState.QUEUED)


async def test_a_job_that_fails_is_no_reason_to_try_again(town):
    town.comfyui.faults.nodes.fail(ValueError("no paint left"), node_id="3")

    answer = await town.ask()

    assert answer.status_code == 424  # clients repeat 409, 429 and 5xx by themselves
    assert "no paint left" in answer.json()["error"]["message"]


async def test_a_workflow_that_makes_no_picture_says_what_it_made(town):
    text = {"1": {"class_type": "PreviewAny", "inputs": {"source": "words"}}}
    await town.register("say", text, parameters={})

    answer = await town.http.post("/v1/images/generations", json={"model": "say"})

    assert error_of(answer) == (424, "no_image", None)
    assert "it made text" in answer.json()["error"]["message"]


async def test_a_stream_shows_what_is_being_made_and_then_the_picture(town):
    sampler, held = (town.comfyui.faults.nodes.hold(node_id=node) for node in ("3", "8"))
    body = {"model": "draw", "prompt": "a boat", "size": "64x64", "stream": True, "partial_images": 1}
    events = []

    async with town.http.stream("POST", "/v1/images/generations", json=body) as answer:
        await until(lambda: is_at_work(town.core.store))  # the worker hears what is shown from now on
        sampler.release()
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line.removeprefix("data: ")))
                held.release()

    assert [(event["type"], event["output_format"]) for event in events] == [
        ("image_generation.partial_image", "jpeg"),
        ("image_generation.completed", "png"),
    ]
    assert [shown(base64.b64decode(event["b64_json"]))[0] for event in events] == [(512, 512), (64, 64)]
    assert (events[0]["partial_image_index"], events[1]["usage"]["total_tokens"]) == (0, 0)


async def test_a_stream_tells_that_its_job_failed(town):
    town.comfyui.faults.nodes.fail(ValueError("no paint left"), node_id="3")

    (event,) = await events_of(town)

    assert (event["type"], event["error"]["type"]) == ("error", "invalid_request_error")
    assert "no paint left" in event["error"]["message"]


async def events_of(town: Any, **body: Any) -> list[dict[str, Any]]:
    answer = await town.ask(stream=True, **body)
    assert "retry:" not in answer.text  # which the package openai takes for an event without data
    lines = answer.text.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
