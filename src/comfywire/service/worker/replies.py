"""How much the service takes from a ComfyUI: a stranger may run one, as strangers call the service."""

from __future__ import annotations

from typing import Any

from comfywire.client import ReplyLimits

__all__ = ["LONGEST_VALUE_BYTES", "MOST_OUTPUTS", "MOST_VALUE_BYTES", "bounded_error", "reply_limits"]

JSON_BYTES = 64 << 20
"""The longest JSON reply: a history entry has the whole graph, a queue has the graphs of all its prompts."""
LONGEST_VALUE_BYTES = 64 << 10
"""Every list of a job's outputs contains texts and values up to this size; longer ones are assets only."""
MOST_VALUE_BYTES = 1 << 20
"""The same for all texts and values of one job together."""
MOST_OUTPUTS = 10_000
"""Outputs of a job, each of which is a file in the asset store and a row of every look at the job."""
LONGEST_WORDS = 10_000
"""Characters of an error's message, which every reader of the job gets."""
LONGEST_TRACEBACK = 64_000
LONGEST_NAME = 300
"""Characters of a node's id or type, or of the type of an exception."""
LONGEST = {"message": LONGEST_WORDS, "traceback": LONGEST_TRACEBACK}
MARK = "\n[... {} characters are left out ...]\n"


def reply_limits(max_output_bytes: int, rate_seconds: float) -> ReplyLimits:
    """Return the limits of replies: far above what a real ComfyUI sends, far below what hurts a process."""
    return ReplyLimits(
        json_bytes=JSON_BYTES,
        catalogue_bytes=256 << 20,
        json_seconds=60.0,
        file_bytes=max_output_bytes,
        frame_bytes=64 << 20,
        least_rate=1024.0,
        rate_seconds=rate_seconds,
        is_plain=True,
        stays_at_origin=True,
    )


def bounded_error(error: dict[str, Any]) -> dict[str, Any]:
    """Return an error with each text cut to the length that a job may carry; the middle is left out."""
    return {name: _cut(value, LONGEST.get(name, LONGEST_NAME)) for name, value in error.items()}


def _cut(value: Any, most: int) -> Any:
    if not isinstance(value, str) or len(value) <= most:
        return value
    return value[: most // 2] + MARK.format(len(value) - most) + value[-(most // 2) :]
