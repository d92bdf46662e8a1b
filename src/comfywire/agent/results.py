"""A job of one ComfyUI as an agent is told of it: a sentence with the next step, and what it made."""

from __future__ import annotations

import asyncio
import base64
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mcp_types import AudioContent, CallToolResult, ContentBlock, ImageContent, ResourceLink, TextContent

from comfywire.client import Job, Output
from comfywire.errors import ComfywireError, JobFailed, JobInterrupted

from .pictures import LARGEST_READ, small_webp

__all__ = ["Standing", "refusal", "result_of", "standing_of"]

LONGEST_TEXT = 20_000
"""Characters of a text output that are shown."""
PICTURES = ("image", "animation")


@dataclass(frozen=True, slots=True)
class Standing:
    """How a job is, or how it ended.

    Attributes:
        status: ``queued``, ``running``, ``succeeded``, ``failed`` or ``canceled``.
        words: A sentence, with the next step where there is one.
        outputs: What it has made so far.

    """

    status: str
    words: str
    outputs: Sequence[Output]


async def standing_of(job: Job) -> Standing:
    """Return how a job is; asks nobody anything."""
    if not job.is_done:
        status = "queued" if job.progress.phase == "pending" else "running"
        return Standing(status, f"Job {job.prompt_id} is {status}{_far(job)} {_next(job)}", job.outputs)
    try:
        result = await job.result()
    except JobInterrupted as error:
        return Standing("canceled", f"Job {job.prompt_id} was canceled.", error.outputs)
    except JobFailed as error:
        where = f" in node {error.node_id} ({error.class_type})" if error.node_id else ""
        return Standing("failed", f"Job {job.prompt_id} failed{where}: {error}.", error.outputs)
    except ComfywireError as error:
        return Standing("failed", f"Job {job.prompt_id} failed: {error}.", getattr(error, "outputs", []))
    made = len(result.outputs)
    words = f"Job {job.prompt_id} succeeded and made {made} output{'' if made == 1 else 's'}."
    return Standing("succeeded", " ".join([words, *(f"{each}." for each in result.warnings)]), result.outputs)


def _far(job: Job) -> str:
    if job.progress.phase == "pending" and job.progress.position is not None:
        return f", with {job.progress.position} before it,"
    return f" ({job.progress.fraction:.0%} done)" if job.progress.fraction else ""


def _next(job: Job) -> str:
    return (
        f"and goes on by itself. Call wait_for_job with job_id {job.prompt_id} to wait for its end, get_job "
        "to look at it, or cancel_job to end it."
    )


def refusal(words: str) -> CallToolResult:
    """Return the result of a call that was not carried out, in words that a model can act on."""
    return CallToolResult(content=[TextContent(text=words)], is_error=True)


async def result_of(job: Job, most_bytes: int) -> CallToolResult:
    """Return a job with what it made: the first picture or sound of up to ``most_bytes`` in the answer."""
    standing = await standing_of(job)
    content: list[ContentBlock] = [TextContent(text=standing.words)]
    left = most_bytes
    for output in standing.outputs:
        shown = await _shown(output, left)
        if shown is not None:
            content.append(shown)
            left = left if isinstance(shown, TextContent) else 0
        if output.url is not None:
            kind = _type_of(output)
            content.append(ResourceLink(uri=output.url, name=output.filename or output.key, mime_type=kind))
    values = {
        "job_id": job.prompt_id,
        "status": standing.status,
        "progress": 1.0 if standing.status == "succeeded" else min(job.progress.fraction, 1.0),
        "outputs": [_value(output) for output in standing.outputs],
    }
    is_bad = standing.status == "failed"
    return CallToolResult(content=content, structured_content=values, is_error=is_bad)


async def _shown(output: Output, most_bytes: int) -> ContentBlock | None:
    """Return what a model can take in by itself; None for what is a link alone, or is gone."""
    if output.filename is None and output.type != "socket":
        return TextContent(text=str(output.value)[:LONGEST_TEXT])
    if not most_bytes or output.kind not in (*PICTURES, "audio"):
        return None
    try:
        await output.bring(LARGEST_READ)
    except ComfywireError:
        return None
    content = output.at_hand
    if content is None:
        return None
    if output.kind == "audio":
        sound = base64.b64encode(content).decode() if len(content) <= most_bytes else None
        return None if sound is None else AudioContent(data=sound, mime_type=_type_of(output) or "audio/wav")
    small = await asyncio.to_thread(small_webp, content, most_bytes)
    if small is None:
        return None
    return ImageContent(data=base64.b64encode(small).decode(), mime_type="image/webp")


def _value(output: Output) -> dict[str, Any]:
    value: dict[str, Any] = {"name": output.filename or output.key, "type": output.kind}
    if output.filename is not None and output.url is not None:
        path = f"{output.subfolder}/{output.filename}" if output.subfolder else output.filename
        value |= {"url": output.url, "input": f"{path} [{output.type}]"}
        if (kind := _type_of(output)) is not None:
            value["content_type"] = kind
    return value


def _type_of(output: Output) -> str | None:
    return mimetypes.guess_type(output.filename or "")[0]
