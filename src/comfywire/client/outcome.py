"""How a prompt that is over came out: a result, or the error that says what happened."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from comfywire.errors import JobError, JobFailed, JobInterrupted, JobLost, OutputsGone
from comfywire.protocol.messages import ExecutionError, ExecutionInterrupted, ExecutionSuccess
from comfywire.protocol.tracked import Tracked, sends_over_socket

from .downloads import Downloads
from .results.collecting import collect_outputs
from .results.outputs import Output
from .results.result import Result
from .watch import Watch

__all__ = ["outcome"]


def outcome(
    watch: Watch,
    node_errors: Mapping[str, Any],
    *,
    url: str,
    downloads: Downloads,
    inputs: Mapping[str, Any],
    warnings: Sequence[str] = (),
) -> Result:
    """Return the result of a prompt that is over.

    Args:
        watch: The prompt.
        node_errors: What the server's validator dropped from it.
        url: The server's address, for sentences.
        downloads: Where the outputs' files will be fetched from.
        inputs: What was set to what before it was submitted.
        warnings: What is known already that the caller should know.

    Raises:
        JobFailed, JobInterrupted, JobLost, OutputsGone: It did not end well, or nothing is left of it.

    """
    tracked, verdict = watch.tracked, watch.tracked.state.verdict
    outputs = collect_outputs(tracked, downloads)
    match verdict:
        case ExecutionError():
            raise _failed(tracked, verdict, outputs)
        case ExecutionInterrupted():
            raise _interrupted(tracked, verdict, outputs)
        case ExecutionSuccess() if tracked.state.entry is None and tracked.has_missed:
            what = "ended well, but its history was cleared before its results could be read"
            raise _error(OutputsGone, tracked, what, outputs)
        case ExecutionSuccess():
            missing = [*_dropped(node_errors, tracked.graph), *_lost_pictures(tracked)]
            told = [*warnings, *missing, *_unread(tracked)]
            return Result(tracked.prompt_id, outputs, told, missing, tracked.graph, inputs)
        case None if watch.is_cancelled:
            raise _error(JobInterrupted, tracked, "was cancelled before it ran", outputs)
        case None:
            raise _error(JobLost, tracked, _why_lost(tracked, url), outputs)


def _dropped(node_errors: Mapping[str, Any], graph: Mapping[str, Any]) -> list[str]:
    if not node_errors:
        return []
    from comfywire.workflow.validation.rejection import dropped  # noqa: PLC0415 - as a refusal's words are

    return dropped(node_errors, graph)


def _error(kind: type[JobError], tracked: Tracked, what: str, outputs: list[Output]) -> JobError:
    return kind(f"prompt {tracked.prompt_id} {what}", prompt_id=tracked.prompt_id, outputs=outputs)


def _failed(tracked: Tracked, verdict: ExecutionError, outputs: list[Output]) -> JobFailed:
    where = f"node {verdict.node_id} ({verdict.node_type})" if verdict.node_id else "a node"
    kind = f"{verdict.exception_type}: " if verdict.exception_type else ""
    first_line = verdict.exception_message.split("\n", 1)[0]
    return JobFailed(
        f"prompt {tracked.prompt_id} failed: {where} raised {kind}{first_line}",
        prompt_id=tracked.prompt_id,
        outputs=outputs,
        node_id=verdict.node_id,
        class_type=verdict.node_type,
        exception_type=verdict.exception_type,
        exception_message=verdict.exception_message,
        traceback=verdict.traceback,
    )


def _interrupted(tracked: Tracked, verdict: ExecutionInterrupted, outputs: list[Output]) -> JobInterrupted:
    where = f" at node {verdict.node_id} ({verdict.node_type})" if verdict.node_id else ""
    return JobInterrupted(
        f"prompt {tracked.prompt_id} was interrupted{where}",
        prompt_id=tracked.prompt_id,
        outputs=outputs,
        node_id=verdict.node_id,
        class_type=verdict.node_type,
    )


def _why_lost(tracked: Tracked, url: str) -> str:
    seen = "it was never seen there"
    if tracked.last_seen is not None:
        ago = asyncio.get_running_loop().time() - tracked.last_seen
        at = time.strftime("%H:%M:%S", time.localtime(time.time() - ago))
        seen = f"it was last seen in {tracked.last_seen_in} at {at}, {ago:.1f} seconds ago"
    if tracked.client_id is None and tracked.last_seen is None:
        why = "is that its prompt_id, and its server?"
    elif tracked.has_missed:
        why = "the connection broke in between, so the server was probably restarted"
    else:
        why = "the connection held, so somebody probably deleted it or cleared the queue"
    found = "two looks found it neither in the queue nor in history"
    return f"is no longer on {url}: {found}; {seen}; {why}"


def _unread(tracked: Tracked) -> list[str]:
    if tracked.state.entry is not None:
        return []
    return ["its history was cleared before it was read: these are the outputs that messages named"]


def _lost_pictures(tracked: Tracked) -> list[str]:
    lost = "its pictures went to a socket that was lost; run it again"
    delivered = {picture.node_id for picture in tracked.images}
    ran = tracked.tally.required
    if tracked.state.entry is not None and tracked.state.entry.targets is not None:
        ran &= tracked.state.entry.targets
    return [
        f"node {node_id} ({node['class_type']}): {lost}"
        for node_id, node in tracked.graph.items()
        if sends_over_socket(node) and node_id in ran
        if tracked.has_missed and node_id not in delivered
    ]
