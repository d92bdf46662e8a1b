"""Messages say when to look; snapshots say what happened."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfywire.protocol.job import Phase, PromptState, advance, reconcile
from comfywire.protocol.messages import (
    Executed,
    Executing,
    ExecutionError,
    ExecutionInterrupted,
    ExecutionStart,
    ExecutionSuccess,
    Message,
    Progress,
    ProgressState,
    Status,
)
from comfywire.protocol.snapshots import HistoryEntry, QueueSnapshot

START, GOOD, END = ExecutionStart("p"), ExecutionSuccess("p"), Executing("p", None)
BAD, STOPPED = ExecutionError("p", "3"), ExecutionInterrupted("p", "3")
BLOCKED = ExecutionError("p", "3", exception_type="ExecutionBlocked")
IMAGE = {"images": [{"filename": "a.png"}]}
TRANSCRIPT: list[Message] = [
    START,
    Executing("p", "3"),
    Progress("p", "3", 1, 2),
    Executed("p", "9", IMAGE),
    GOOD,
    END,
]


def play(messages: Sequence[Message]) -> PromptState:
    job = PromptState("p")
    for message in messages:
        job = advance(job, message)
    return job


@pytest.mark.parametrize(
    ("messages", "verdict", "is_due"),
    [
        pytest.param([START, GOOD], GOOD, False, id="history-is-not-written-yet"),
        pytest.param([START, GOOD, END], GOOD, True, id="verdict-then-end"),
        pytest.param([START, BAD, END], BAD, True, id="an-end-is-not-a-success"),
        pytest.param([START, STOPPED, END], STOPPED, True, id="an-interrupt-is-not-an-error"),
        pytest.param([START, END], None, True, id="verdict-missed"),
        pytest.param([START, BLOCKED], None, False, id="a-blocked-node-ends-nothing"),
        pytest.param([START, BLOCKED, GOOD, END], GOOD, True, id="a-prompt-with-a-blocked-node-succeeds"),
        pytest.param([Executing("q", None)], None, False, id="another-prompt-ended"),
        pytest.param([Executing(None, None)], None, False, id="nobody-in-particular-ended"),
        pytest.param([Executing(None, "4")], None, False, id="echo-after-reconnect"),
    ],
)
def test_the_end_makes_history_due(messages: list[Message], verdict: object, is_due: bool) -> None:
    job = play(messages)

    assert (job.verdict, job.history_is_due) == (verdict, is_due)


@pytest.mark.parametrize(
    ("message", "phase"),
    [
        (START, Phase.RUNNING),
        (Executing("p", "3"), Phase.RUNNING),
        (Progress("p", "3", 1, 2), Phase.RUNNING),
        (ProgressState("p", {}), Phase.RUNNING),
        (Executed("p", "9", None), Phase.RUNNING),
        (END, Phase.PENDING),
        (GOOD, Phase.PENDING),
        (Status(1), Phase.PENDING),
    ],
    ids=["start", "executing", "progress", "progress_state", "executed", "end", "verdict", "status"],
)
def test_a_message_moves_a_pending_job(message: Message, phase: Phase) -> None:
    assert play([message]).phase is phase


def test_early_outputs_are_noted() -> None:
    job = play([Executed("p", "9", IMAGE), Executed("p", "4", None)])

    assert job.outputs == {"9": IMAGE, "4": {}}


@given(st.lists(st.sampled_from([*TRANSCRIPT, BAD, STOPPED, BLOCKED, Executing("q", None)])))
def test_no_message_ever_finishes_a_job(heard: list[Message]) -> None:
    assert play(heard).phase is not Phase.DONE


@pytest.mark.parametrize(
    ("queue", "entry", "phase"),
    [
        pytest.param(QueueSnapshot(running=("p",)), None, Phase.RUNNING, id="running"),
        pytest.param(QueueSnapshot(pending=("p",)), None, Phase.PENDING, id="pending"),
        pytest.param(QueueSnapshot(), HistoryEntry(GOOD), Phase.DONE, id="in-history"),
        pytest.param(QueueSnapshot(running=("p",)), HistoryEntry(GOOD), Phase.DONE, id="history-is-newer"),
        pytest.param(QueueSnapshot(running=("q",)), None, Phase.DONE, id="in-neither"),
    ],
)
def test_a_snapshot_says_what_happened(
    queue: QueueSnapshot, entry: HistoryEntry | None, phase: Phase
) -> None:
    assert reconcile(PromptState("p"), queue, entry).phase is phase


def test_a_pending_snapshot_is_older_than_a_started_job() -> None:
    assert reconcile(play([START]), QueueSnapshot(pending=("p",)), None).phase is Phase.RUNNING


def test_a_prompt_in_neither_queue_nor_history_is_lost() -> None:
    job = reconcile(play([START]), QueueSnapshot(), None)

    assert (job.phase, job.verdict, job.entry) == (Phase.DONE, None, None)


def test_a_vanished_prompt_keeps_the_verdict_and_outputs_that_were_heard() -> None:
    job = reconcile(play(TRANSCRIPT), QueueSnapshot(), None)

    assert (job.phase, job.verdict, job.outputs, job.entry) == (Phase.DONE, GOOD, {"9": IMAGE}, None)


def test_nothing_changes_a_finished_job() -> None:
    done = reconcile(PromptState("p"), QueueSnapshot(), HistoryEntry(GOOD, {"9": IMAGE}))

    after = reconcile(advance(advance(done, BAD), START), QueueSnapshot(running=("p",)), HistoryEntry(BAD))

    assert after == done


@given(heard=st.lists(st.sampled_from(TRANSCRIPT)))
def test_missed_repeated_or_reordered_messages_never_change_the_result(heard: list[Message]) -> None:
    job = reconcile(play(heard), QueueSnapshot(), HistoryEntry(GOOD, outputs={"9": IMAGE}))

    assert (job.phase, job.verdict, job.outputs) == (Phase.DONE, GOOD, {"9": IMAGE})
