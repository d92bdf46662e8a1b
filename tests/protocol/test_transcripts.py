"""Every recorded conversation, replayed through the core, ends as it ended on the real server."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.protocol.transcript import Replay, Transcript, last_replies, transcripts

from comfywire.protocol.feeds import FeedKey
from comfywire.protocol.messages import Status, Unknown
from comfywire.protocol.progress import ProgressTally, required_nodes
from comfywire.protocol.session import Session
from comfywire.protocol.snapshots import QueueSnapshot, parse_history

ALL = transcripts()
# What became of each prompt, in the order of submission: success, error, interrupted or gone, and how many
# outputs and pictures from the socket it left.
ENDS = {
    "basic_success": ["success 1 0"],
    "deleted_from_queue": ["success 1 0", "gone 0 0"],
    "fully_cached": ["success 1 0", "success 1 0"],
    "interrupted_by_prompt_id": ["interrupted 0 0"],
    "interrupted_running": ["interrupted 0 0"],
    "jobs_api": ["interrupted 0 0", "gone 0 0", "interrupted 0 0"],
    "list_output": ["success 1 0"],
    "many_output_kinds": ["success 12 0"],
    "node_error": ["error 0 0"],
    "parallel_async_nodes": ["success 1 0"],
    "partial_execution": ["success 1 0"],
    "previews_with_metadata": ["success 1 0"],
    "prompt_id_forms": ["success 1 0", "success 1 0"],
    "rejected_missing_node_type": [],
    "rejected_validation": [],
    "server_facts": [],
    "server_killed": ["gone 0 0", "gone 0 0"],
    "socket_lost_and_back": ["success 1 0"],
    "socket_lost_completion_missed": ["success 1 0"],
    "text_to_image_previews": ["success 1 0"],
    "two_clients_interleaved": ["success 1 0", "success 1 0"],
    "uploads": ["success 1 0", "success 1 0"],
    "websocket_images": ["success 0 2"],
}
WORDS = {
    "ExecutionSuccess": "success",
    "ExecutionError": "error",
    "ExecutionInterrupted": "interrupted",
    "NoneType": "gone",
}


def test_no_transcript_was_left_out() -> None:
    assert {transcript.path.stem for transcript in ALL} == set(ENDS)


@pytest.mark.parametrize("transcript", ALL, ids=str)
def test_a_recorded_conversation_ends_as_it_ended(transcript: Transcript) -> None:
    replay = Replay(transcript)

    ends = [
        f"{WORDS[type(tracked.state.verdict).__name__]} {len(tracked.state.outputs)} {len(tracked.images)}"
        for tracked in replay.tracked.values()
    ]
    assert ends == ENDS[transcript.path.stem]
    assert all(tracked.is_done for tracked in replay.tracked.values())


@pytest.mark.parametrize("transcript", ALL, ids=str)
def test_the_outputs_are_those_of_the_recorded_history(transcript: Transcript) -> None:
    replies = last_replies(transcript)

    replay = Replay(transcript)

    recorded = {
        prompt_id: replies[f"/history/{prompt_id}"][prompt_id]["outputs"]
        for prompt_id in replay.tracked
        if replies.get(f"/history/{prompt_id}")
    }
    assert {prompt_id: replay.tracked[prompt_id].state.outputs for prompt_id in recorded} == recorded


@pytest.mark.parametrize("transcript", ALL, ids=str)
def test_every_recorded_message_has_a_class_of_its_own(transcript: Transcript) -> None:
    assert [message for message in transcript.frames() if isinstance(message, Unknown)] == []


@pytest.mark.parametrize("transcript", ALL, ids=str)
def test_progress_never_falls_and_a_success_ends_at_one(transcript: Transcript) -> None:
    for line in transcript.submissions():
        if line["response"]["status"] != 200:
            continue
        prompt_id = line["response"]["json"]["prompt_id"]
        tally = ProgressTally(required_nodes(line["request"]["json"]["prompt"]))

        seen = [0.0]
        for message in transcript.frames():
            if message.prompt_id == prompt_id:
                tally.hear(message)
                seen.append(tally.fraction)

        assert seen == sorted(seen)
    replay = Replay(transcript)
    successes = [t for t in replay.tracked.values() if type(t.state.verdict).__name__ == "ExecutionSuccess"]
    assert [tracked.tally.fraction for tracked in successes] == [1.0] * len(successes)


def _conversations() -> list[Transcript]:
    """Those whose only prompt ended in history: its result is known whatever was heard."""
    names = {"basic_success", "node_error", "interrupted_running", "many_output_kinds", "list_output"}
    return [transcript for transcript in ALL if transcript.path.stem in names]


@given(
    transcript=st.sampled_from(_conversations()),
    seed=st.integers(0, 2**32),
    kept=st.floats(0, 1),
    repeats=st.integers(1, 3),
    shuffled=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_lost_repeated_or_reordered_messages_never_change_a_result(
    transcript: Transcript, seed: int, kept: float, repeats: int, shuffled: bool
) -> None:
    chance = random.Random(seed)
    line = next(transcript.submissions())
    prompt_id = line["response"]["json"]["prompt_id"]
    reply = last_replies(transcript)[f"/history/{prompt_id}"]
    heard = [m for m in transcript.frames() for _ in range(repeats) if chance.random() < kept]
    if shuffled:
        chance.shuffle(heard)

    session = Session(lambda: "ours")
    key = FeedKey("ours", 0)
    session.feed_opened(key, 0.0)
    tracked = session.expect(prompt_id, line["request"]["json"]["prompt"], 0.0)
    session.accepted(prompt_id, 0.0)
    for number, message in enumerate(heard):
        session.hear(key, message, number / 1000)
    now = 1.0 + len(heard) / 1000
    while session.open:
        for read in session.reads_due(now):
            if read.prompt_id is None:
                session.queue_was_read(QueueSnapshot(), began=now, now=now)
            else:
                session.history_was_read(prompt_id, parse_history(reply, prompt_id), began=now, now=now)
        if session.open:
            now = max(now + 0.01, session.next_due(now))

    expected = parse_history(reply, prompt_id)
    assert expected is not None
    assert (tracked.state.verdict, tracked.state.outputs) == (expected.verdict, expected.outputs)
    assert now < 10 + len(heard) / 1000, "it took too long to look"


def test_statuses_name_no_prompt() -> None:
    assert Status(3).prompt_id is None
