"""A job as an agent is told of it: a sentence with the next step, what it made, and the same as values."""

from __future__ import annotations

import base64
from typing import Any

from mcp_types import AudioContent, CallToolResult, ContentBlock, ImageContent, ResourceLink, TextContent

from comfywire.service.core import Core
from comfywire.service.jobs.records import JobRecord, OutputRecord
from comfywire.service.jobs.states import JobState

from .pictures import small_webp, whole

__all__ = ["refusal", "result_of", "sentence_of"]

LONGEST_TEXT = 20_000
"""Characters of a text output that are shown; the link has the rest."""
PICTURES = ("image", "animation")


def refusal(words: str) -> CallToolResult:
    """Return the result of a call that was not carried out, in words that a model can act on."""
    return CallToolResult(content=[TextContent(text=words)], is_error=True)


async def result_of(core: Core, job: JobRecord, origin: str) -> CallToolResult:
    """Return a job with everything that is kept of what it made so far."""
    outputs = [
        output for output in await core.store.outputs(job.id) if output.asset_id or output.value is not None
    ]
    content: list[ContentBlock] = [TextContent(text=await _told(core, job, outputs))]
    left = core.settings.mcp_inline_bytes
    for output in outputs:
        shown = await _shown(core, output, left)
        if shown is not None:
            content.append(shown)
            left = 0 if not isinstance(shown, TextContent) else left
        if output.asset_id is not None and not isinstance(shown, TextContent):
            content.append(_link(core, output, origin))
    values = {
        "job_id": str(job.id),
        "status": job.state.value,
        "progress": _progress(job),
        "outputs": [_value(core, output, origin) for output in outputs],
    }
    is_bad = job.state in (JobState.FAILED, JobState.EXPIRED)
    return CallToolResult(content=content, structured_content=values, is_error=is_bad)


async def _told(core: Core, job: JobRecord, outputs: list[OutputRecord]) -> str:
    words = sentence_of(job, len(outputs))
    if job.state is JobState.QUEUED and (why := await core.operating.why_waiting(job)) is not None:
        words = f"{words} It waits because {why}."
    return words if not job.warnings else f"{words} {'; '.join(job.warnings)}."


def sentence_of(job: JobRecord, made: int) -> str:
    """Return how a job stands, and what to do next."""
    match job.state:
        case JobState.SUCCEEDED:
            return f"Job {job.id} succeeded and made {made} output{'' if made == 1 else 's'}."
        case JobState.FAILED | JobState.EXPIRED:
            error = job.error or {}
            where = f" in node {error['node_id']} ({error.get('class_type')})" if error.get("node_id") else ""
            return f"Job {job.id} {job.state.value}{where}: {error.get('message') or 'nothing says why'}."
        case JobState.CANCELED:
            return f"Job {job.id} was canceled."
        case _:
            progress = _progress(job)
            far = "" if progress is None else f" ({progress:.0%} done)"
            return (
                f"Job {job.id} is {job.state.value}{far} and goes on by itself. Call wait_for_job with "
                f"job_id {job.id} to wait for its end, get_job to look at it, or cancel_job to end it."
            )


def _progress(job: JobRecord) -> float | None:
    return None if job.progress is None else min(max(float(job.progress.get("value") or 0.0), 0.0), 1.0)


async def _shown(core: Core, output: OutputRecord, most_bytes: int) -> ContentBlock | None:
    """Return what a model can take in by itself; None for what is a link alone."""
    if output.kind == "text" and isinstance(output.value, str):
        cut = output.value[:LONGEST_TEXT]
        return TextContent(text=cut)
    if output.value is not None:
        return TextContent(text=str(output.value)[:LONGEST_TEXT])
    asset = None if output.asset_id is None else await core.assets.get(output.asset_id)
    if asset is None:
        return None
    if output.kind in PICTURES and (small := await small_webp(core.assets, asset, most_bytes)) is not None:
        return ImageContent(data=small, mime_type="image/webp")
    if output.kind == "audio" and asset.size_bytes <= most_bytes:
        sound = base64.b64encode(await whole(core.assets, asset)).decode()
        return AudioContent(data=sound, mime_type=asset.content_type)
    return None


def _link(core: Core, output: OutputRecord, origin: str) -> ResourceLink:
    assert output.asset_id is not None
    return ResourceLink(
        uri=core.assets.url_of(output.asset_id, origin)[0],
        name=_name(output),
        mime_type=output.content_type,
        size=output.size_bytes,
    )


def _value(core: Core, output: OutputRecord, origin: str) -> dict[str, Any]:
    value: dict[str, Any] = {"name": _name(output), "type": output.kind}
    if output.asset_id is not None:
        value |= {
            "content_type": output.content_type or "application/octet-stream",
            "size_bytes": output.size_bytes or 0,
            "asset_id": str(output.asset_id),
            "url": core.assets.url_of(output.asset_id, origin)[0],
        }
    return value


def _name(output: OutputRecord) -> str:
    return output.name or f"{output.key}_{output.position}"
