"""The states of a job, and which may follow which: the only place that says so.

What happens inside `running` is the client's business (``protocol/job.py``); this is what the outside sees,
in the words of the Comfy API v2.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "KIND_OF_STATE",
    "OPEN",
    "TERMINAL",
    "TRANSITIONS",
    "IllegalTransition",
    "JobState",
    "TransitionKind",
    "must_be_legal",
]


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    """Recorded; it waits here, or in a ComfyUI's queue."""
    RUNNING = "running"
    """A ComfyUI runs it."""
    CANCELING = "canceling"
    """Somebody wants it to end; a worker sees to it."""
    SUCCEEDED = "succeeded"
    """Its outputs are kept."""
    FAILED = "failed"
    """It ended badly, or every attempt was lost."""
    CANCELED = "canceled"
    """It was ended on request."""
    EXPIRED = "expired"
    """It waited for longer than it was allowed to."""


Q, R, C = JobState.QUEUED, JobState.RUNNING, JobState.CANCELING

TRANSITIONS: dict[tuple[JobState | None, JobState], str] = {
    (None, Q): "it was submitted",
    (Q, Q): "a worker took it, or gave it back before it ran",
    (Q, R): "a ComfyUI began to run it",
    (Q, C): "cancellation was asked for while a worker had it",
    (Q, JobState.CANCELED): "it was canceled before a worker took it",
    (Q, JobState.EXPIRED): "it waited for too long",
    (Q, JobState.SUCCEEDED): "it ended before anybody heard it begin",
    (Q, JobState.FAILED): "it was refused, or ended before anybody heard it begin",
    (R, R): "another worker took it over",
    (R, Q): "the ComfyUI lost it, and it may be repeated",
    (R, C): "cancellation was asked for",
    (R, JobState.SUCCEEDED): "it ended well and its outputs are kept",
    (R, JobState.FAILED): "a node raised, or the last attempt was lost",
    (R, JobState.CANCELED): "somebody interrupted it on the ComfyUI",
    (C, C): "another worker took it over",
    (C, JobState.CANCELED): "it was ended as asked",
    (C, JobState.SUCCEEDED): "it ended well before it could be canceled",
    (C, JobState.FAILED): "it ended badly before it could be canceled",
    (JobState.FAILED, Q): "somebody retries it",
    (JobState.CANCELED, Q): "somebody retries it",
    (JobState.EXPIRED, Q): "somebody retries it",
}
"""Every legal change of state, and when it happens."""

TERMINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELED, JobState.EXPIRED})
OPEN = frozenset(JobState) - TERMINAL


class TransitionKind(StrEnum):
    """What a change of a job was, for statements that count or look for one; people read its sentence."""

    SUBMITTED = "submitted"
    """The job was recorded and queued."""
    CLAIMED = "claimed"
    """A worker took it."""
    BEGAN = "began"
    """A ComfyUI runs it."""
    LOST = "lost"
    """It was queued again: its ComfyUI has lost it."""
    FREED = "freed"
    """It was queued again: memory was freed on its ComfyUI."""
    GIVEN_BACK = "given_back"
    """It was queued again for another reason: no ComfyUI has it."""
    HANDED_BACK = "handed_back"
    """Its worker left it where it is."""
    PUT_OFF = "put_off"
    """It was left where it is for a while: its worker could not see to it."""
    OUT_OF_REACH = "out_of_reach"
    """It was left where it is for a while: its worker did not reach its ComfyUI."""
    CANCEL_ASKED = "cancel_asked"
    """Somebody wants it to end."""
    ENDED = "ended"
    """It ended; its new state says how."""
    RETRIED = "retried"
    """Somebody queued it once more after its end."""


KIND_OF_STATE = {
    JobState.QUEUED: TransitionKind.GIVEN_BACK,
    JobState.RUNNING: TransitionKind.BEGAN,
    JobState.CANCELING: TransitionKind.CANCEL_ASKED,
    **dict.fromkeys(TERMINAL, TransitionKind.ENDED),
}
"""What a change to a state is, unless the caller knows more."""


class IllegalTransition(RuntimeError):
    """Our own code wanted a change of state that is not in the table."""


def must_be_legal(before: JobState | None, after: JobState) -> None:
    """Raise unless ``after`` may follow ``before``.

    Raises:
        IllegalTransition: It may not.

    """
    if (before, after) not in TRANSITIONS:
        raise IllegalTransition(f"a job may not go from {before} to {after}")
