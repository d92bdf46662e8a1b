"""How an end is told: by what the store says, in the words of the ComfyUI where they agree."""

import json
from typing import Any
from uuid import UUID

import pytest

from comfywire.service.jobs.states import JobState
from comfywire.service.relay.ear import Ear, without_metadata
from comfywire.service.relay.ending import EndedJob
from comfywire.service.relay.outbox import Outbox
from comfywire.service.relay.said import Audience, Said
from comfywire.service.relay.speaker import with_metadata

JOB, KEY = UUID(int=1), UUID(int=2)
START = ["execution_start", {"prompt_id": str(JOB), "timestamp": 1}]
CACHED = ["execution_cached", {"nodes": ["1"], "prompt_id": str(JOB), "timestamp": 2}]
GOOD = ["execution_success", {"prompt_id": str(JOB), "timestamp": 3}]
BAD = ["execution_error", {"prompt_id": str(JOB), "node_id": "2", "exception_message": "as it said"}]
STOPPED = ["execution_interrupted", {"prompt_id": str(JOB), "node_id": "2"}]


def ended(state: JobState, *messages: list[Any], error: Any = None, has_run: bool = True) -> EndedJob:
    status = {"status_str": "success", "completed": True, "messages": list(messages)}
    entry = {"outputs": {"9": {"images": [1]}}, "status": status, "meta": {}} if messages else None
    return EndedJob(JOB, KEY, "me", state, has_run, error, entry, 0)


async def told(ear: Ear) -> list[tuple[str, Any]]:
    ear.outbox.close()
    frames = [json.loads(frame) async for frame in ear.outbox.frames()]
    return [(one["type"], one["data"]) for one in frames]


@pytest.mark.parametrize(
    ("state", "said", "verdict"),
    [
        pytest.param(JobState.SUCCEEDED, GOOD, GOOD, id="as-it-said"),
        pytest.param(JobState.FAILED, BAD, BAD, id="an-error-with-all-its-fields"),
        pytest.param(JobState.CANCELED, STOPPED, STOPPED, id="canceled"),
        pytest.param(JobState.FAILED, STOPPED, STOPPED, id="somebody-interrupted-it-there"),
    ],
)
def test_what_the_comfyui_said_is_told_where_the_store_agrees(state, said, verdict):
    assert ended(state, START, CACHED, said).messages() == [START, CACHED, verdict]


@pytest.mark.parametrize(
    ("state", "said", "verdict", "words"),
    [
        pytest.param(JobState.FAILED, GOOD, "execution_error", "they are gone", id="no-files-to-be-had"),
        pytest.param(JobState.SUCCEEDED, BAD, "execution_success", None, id="another-attempt-went-well"),
        pytest.param(JobState.CANCELED, GOOD, "execution_interrupted", None, id="canceled-in-time"),
        pytest.param(JobState.EXPIRED, START, "execution_error", "they are gone", id="it-waited-too-long"),
    ],
)
def test_the_store_is_right_where_they_differ(state, said, verdict, words):
    error = {"code": "outputs_unavailable", "message": "they are gone"}

    *_, (word, about) = ended(state, START, said, error=error).messages()

    assert (word, about["prompt_id"], about.get("exception_message")) == (verdict, str(JOB), words)


async def test_what_was_not_heard_is_told_before_the_end():
    ear = Ear("me", Outbox())
    ear.end(ended(JobState.SUCCEEDED, START, CACHED, GOOD))

    kinds = [kind for kind, _ in await told(ear)]

    assert kinds == [
        "execution_start",
        "execution_cached",
        "executed",
        "execution_success",
        "status",
        "executing",
    ]


async def test_what_was_heard_is_not_told_again_and_no_end_is_told_twice():
    ear, audience = Ear("me", Outbox()), Audience(KEY, "me")
    node = json.dumps({"type": "executed", "data": {"node": "9", "prompt_id": str(JOB)}})
    begun = json.dumps({"type": "execution_start", "data": START[1]})
    ear.hear(Said(JOB, audience, "execution_start", begun))
    ear.hear(Said(JOB, audience, "executed", node))
    for _ in range(2):
        ear.end(ended(JobState.SUCCEEDED, START, CACHED, GOOD))

    kinds = [kind for kind, _ in await told(ear)]

    assert kinds == ["execution_start", "executed", "execution_success", "status", "executing"]


async def test_an_attempt_that_was_lost_leaves_no_second_beginning():
    ear, audience = Ear("me", Outbox()), Audience(KEY, "me")
    begun = json.dumps({"type": "execution_start", "data": START[1]})
    for _ in range(2):
        ear.hear(Said(JOB, audience, "execution_start", begun))

    assert [kind for kind, _ in await told(ear)] == ["execution_start"]


@pytest.mark.parametrize(("image_type", "number"), [("image/jpeg", 1), ("image/png", 2)])
def test_a_picture_loses_its_metadata_where_nobody_asked_for_them(image_type, number):
    frame = with_metadata({"image_type": image_type, "node_id": "3"}, b"bytes")

    assert without_metadata(frame) == bytes([0, 0, 0, 1, 0, 0, 0, number]) + b"bytes"
