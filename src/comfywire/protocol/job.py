"""The life of one prompt. Messages say when to look; snapshots say what happened.

:func:`advance` follows the feed and never finishes a job; :func:`reconcile` is the only function that does.

====================================  ==================  ==================  ======
input                                 PENDING             RUNNING             DONE
====================================  ==================  ==================  ======
execution_start, executing node=N     RUNNING             note the node       ignore
executed                              note early outputs  note early outputs  ignore
execution_success / _error / _inter…  note verdict        note verdict        ignore
executing node=null                   history is due      history is due      ignore
snapshot: history entry               DONE                DONE                ignore
snapshot: in queue_running            RUNNING             stay                ignore
snapshot: in queue_pending            stay                stay (it is older)  ignore
snapshot: in neither                  DONE                DONE                ignore
====================================  ==================  ==================  ======
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

from .messages import (
    Executed,
    Executing,
    ExecutionCached,
    ExecutionError,
    ExecutionInterrupted,
    ExecutionStart,
    ExecutionSuccess,
    Message,
    Progress,
    ProgressState,
    Verdict,
)
from .snapshots import HistoryEntry, QueueSnapshot

__all__ = ["Phase", "PromptState", "advance", "reconcile"]


class Phase(Enum):
    """Where a prompt is."""

    PENDING = "pending"
    """Queued, or on its way there."""
    RUNNING = "running"
    DONE = "done"
    """The server has nothing more to say about it."""


class PromptState(NamedTuple):
    """What is known of one prompt: a tuple, since a new one is made for each message that changes it.

    A job that is DONE without a ``verdict`` is lost: the server no longer knows it and never said how
    it ended.
    """

    prompt_id: str
    phase: Phase = Phase.PENDING
    node: str | None = None
    """The node that was last heard to begin."""
    verdict: Verdict | None = None
    """How it ended, as far as is known; news until ``phase`` is DONE, final then."""
    history_is_due: bool = False
    outputs: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    """By node_id: from messages while it runs, from the history entry once it is there."""
    entry: HistoryEntry | None = None
    """The history entry that finished it; None when it is lost, or when its history is gone."""


def advance(job: PromptState, message: Message) -> PromptState:
    """Return ``job`` after ``message``; only :func:`reconcile` finishes a job."""
    if job.phase is Phase.DONE or message.prompt_id != job.prompt_id:
        return job
    match message:
        case ExecutionStart() | ExecutionCached() | Progress() | ProgressState():
            return job if job.phase is Phase.RUNNING else job._replace(phase=Phase.RUNNING)
        case Executing(node=None):
            # The end. It follows every verdict, good or bad, and names none (main.py, prompt_worker, 0.3.64).
            return job._replace(node=None, history_is_due=True)
        case Executing(node=node):
            return job._replace(phase=Phase.RUNNING, node=node)
        case Executed(node=node, output=output):
            return job._replace(phase=Phase.RUNNING, outputs={**job.outputs, node: output or {}})
        case ExecutionError(is_block=True):
            # A node refused its inputs; the prompt goes on and ends well (execution.py, execute, 0.3.64).
            return job
        case ExecutionSuccess() | ExecutionError() | ExecutionInterrupted():
            # The verdict. The server sends it before it writes the history entry, so it is news for the
            # user and not yet a reason to look (execution.py, execute_async -> main.py, prompt_worker).
            return job._replace(verdict=message)
        case _:
            return job


def reconcile(job: PromptState, queue: QueueSnapshot, entry: HistoryEntry | None) -> PromptState:
    """Return ``job`` after a look at the queue **and then** at its history entry.

    The order matters: a prompt leaves the running set and enters history under one lock (execution.py,
    ``PromptQueue.task_done``, 0.3.64), so one that is missing from the queue and then from history is gone,
    while the other order misses a prompt that ends in between.
    """
    if job.phase is Phase.DONE:
        return job
    if entry is not None:
        return job._replace(
            phase=Phase.DONE,
            node=None,
            verdict=entry.verdict,
            outputs=entry.outputs,
            entry=entry,
            history_is_due=False,
        )
    if job.prompt_id in queue.running:
        return job if job.phase is Phase.RUNNING else job._replace(phase=Phase.RUNNING)
    if job.prompt_id in queue.pending:
        return job
    return job._replace(phase=Phase.DONE, node=None, history_is_due=False)
