"""Text frames of ``/ws``, parsed to the messages in ``messages.py``.

Parsing is lenient, because custom nodes push what they like: unknown keys are dropped, a missing
``prompt_id`` is None, and a message of an unknown type, or whose fields are of no use, becomes
:class:`~comfywire.protocol.messages.Unknown` with its raw value. Only a frame without ComfyUI's envelope
raises, and only :class:`~comfywire.errors.UnexpectedReply`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from comfywire.errors import UnexpectedReply

from .lenient import mapping, number, text, texts, whole, words
from .messages import (
    Executed,
    Executing,
    ExecutionCached,
    ExecutionError,
    ExecutionInterrupted,
    ExecutionStart,
    ExecutionSuccess,
    FeatureFlags,
    Message,
    Progress,
    ProgressState,
    Status,
    Unknown,
)
from .unread import unread_progress

__all__ = ["parse_envelope", "parse_text"]

_raw_decode = json.JSONDecoder().raw_decode


def parse_text(frame: str | bytes) -> Message:
    """Return the message in a text frame.

    Raises:
        UnexpectedReply: The frame is no JSON object with a ``type``.

    """
    if isinstance(frame, str) and (unread := unread_progress(frame)) is not None:
        return ProgressState(*unread)
    try:
        # The server writes bare NaN and Infinity (aiohttp's default dumps); the standard library reads them.
        envelope = _read(frame)
    except (ValueError, RecursionError) as error:
        raise UnexpectedReply(f"a message that is not JSON: {frame[:80]!r}") from error
    return parse_envelope(envelope)


def _read(frame: str | bytes) -> Any:
    """Read JSON; what has no space around it, as the server writes it, in half the time."""
    if isinstance(frame, str) and frame.startswith("{"):
        envelope, end = _raw_decode(frame)
        if end == len(frame):
            return envelope
    return json.loads(frame)


def parse_envelope(envelope: object) -> Message:
    """Return the message in ``{"type": ..., "data": ...}``."""
    if not isinstance(envelope, dict) or not isinstance(envelope.get("type"), str):
        raise UnexpectedReply(f"a message without a type: {str(envelope)[:80]}")
    kind, fields = envelope["type"], envelope.get("data")
    parse = _PARSERS.get(kind)
    if parse is None or not isinstance(fields, dict):
        return _unknown(kind, envelope)
    try:
        return parse(fields)
    except (KeyError, TypeError, ValueError, OverflowError):
        return _unknown(kind, envelope)


def _unknown(kind: str, envelope: Mapping[str, Any]) -> Unknown:
    fields = envelope.get("data")
    prompt_id = fields.get("prompt_id") if isinstance(fields, dict) else None
    return Unknown(kind, envelope, prompt_id if isinstance(prompt_id, str) else None)


def _status(fields: Mapping[str, Any]) -> Status:
    info = mapping(mapping(fields.get("status")).get("exec_info"))
    return Status(whole(info.get("queue_remaining")), text(fields.get("sid")))


def _executed(fields: Mapping[str, Any]) -> Executed:
    node, output = text(fields["node"]), fields.get("output")
    if node is None or not (output is None or isinstance(output, dict)):
        raise TypeError(output)
    return Executed(text(fields.get("prompt_id")), node, output, text(fields.get("display_node")))


def _progress_state(fields: Mapping[str, Any]) -> ProgressState:
    return ProgressState(text(fields.get("prompt_id")), mapping(fields["nodes"]))


def _execution_error(fields: Mapping[str, Any]) -> ExecutionError:
    return ExecutionError(
        prompt_id=text(fields.get("prompt_id")),
        node_id=text(fields.get("node_id")),
        node_type=text(fields.get("node_type")),
        exception_type=text(fields.get("exception_type")),
        exception_message=words(fields.get("exception_message")).strip(),
        traceback=texts(fields.get("traceback")),
        executed=texts(fields.get("executed")),
        current_inputs=mapping(fields.get("current_inputs")),
        current_outputs=texts(fields.get("current_outputs")),
        timestamp=whole(fields.get("timestamp")),
    )


def _execution_interrupted(fields: Mapping[str, Any]) -> ExecutionInterrupted:
    return ExecutionInterrupted(
        prompt_id=text(fields.get("prompt_id")),
        node_id=text(fields.get("node_id")),
        node_type=text(fields.get("node_type")),
        executed=texts(fields.get("executed")),
        timestamp=whole(fields.get("timestamp")),
    )


_PARSERS: dict[str, Callable[[Mapping[str, Any]], Message]] = {
    "status": _status,
    "feature_flags": FeatureFlags,
    "execution_start": lambda f: ExecutionStart(text(f.get("prompt_id")), whole(f.get("timestamp"))),
    "execution_cached": lambda f: ExecutionCached(
        text(f.get("prompt_id")), texts(f.get("nodes")), whole(f.get("timestamp"))
    ),
    # `node` must be there: an end is said with an explicit null, never by leaving it out.
    "executing": lambda f: Executing(text(f.get("prompt_id")), text(f["node"]), text(f.get("display_node"))),
    "executed": _executed,
    "progress": lambda f: Progress(
        text(f.get("prompt_id")),
        text(f.get("node")),
        number(f["value"]),
        number(f["max"]),
    ),
    "progress_state": _progress_state,
    "execution_success": lambda f: ExecutionSuccess(text(f.get("prompt_id")), whole(f.get("timestamp"))),
    "execution_error": _execution_error,
    "execution_interrupted": _execution_interrupted,
}
