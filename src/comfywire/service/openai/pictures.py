"""What jobs made, as OpenAI's API answers it: base64 or links, written while it is read from the store."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from comfywire.service.assets.assets import AssetRecord, Assets
from comfywire.service.core import Core
from comfywire.service.jobs.records import JobRecord, OutputRecord
from comfywire.service.jobs.states import JobState

from .errors import JobEnded

__all__ = ["USAGE", "Picture", "about", "base64_of", "body", "format_of", "made_by", "pictures_of"]

KINDS = ("image", "animation")
USAGE = {
    "total_tokens": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
    "output_tokens_details": {"text_tokens": 0, "image_tokens": 0},
}
"""Clients read it, some without looking whether it is there. Nobody counts tokens here."""
PREVIEWS = "PreviewImage"
CODES = {JobState.FAILED: "job_failed", JobState.CANCELED: "job_canceled", JobState.EXPIRED: "job_expired"}


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of an answer.

    Attributes:
        output: What the job says of it.
        asset: Its bytes.

    """

    output: OutputRecord
    asset: AssetRecord


async def pictures_of(core: Core, jobs: Sequence[JobRecord]) -> list[Picture]:
    """Return the pictures of jobs that have ended, in the order of the jobs.

    Raises:
        JobEnded: One ended badly, or made no picture.

    """
    return [picture for job in jobs for picture in await made_by(core, job, KINDS)]


async def made_by(core: Core, job: JobRecord, kinds: Sequence[str]) -> list[Picture]:
    """Return what a job that has ended made of these kinds.

    What a workflow only shows in passing (PreviewImage) counts where it saves nothing.

    Raises:
        JobEnded: The job ended badly, or made nothing of these kinds.

    """
    if job.state is not JobState.SUCCEEDED:
        error = job.error or {}
        words = error.get("message") or f"it is {job.state}"
        raise JobEnded(f"job {job.id}: {words}", error.get("code") or CODES.get(job.state, "job_failed"))
    outputs = await core.store.outputs(job.id)
    wanted = [output for output in outputs if output.kind in kinds and output.asset_id is not None]
    saved = [output for output in wanted if output.class_type != PREVIEWS]
    found = [await _picture(core, output) for output in saved or wanted]
    pictures = [picture for picture in found if picture is not None]
    if not pictures:
        there = ", ".join(sorted({output.kind for output in outputs})) or "nothing"
        why = "; ".join(job.warnings) or f"it made {there}: take a model that makes {kinds[0]}s"
        raise JobEnded(f"job {job.id} has no {kinds[0]}: {why}", f"no_{kinds[0]}")
    return pictures


async def _picture(core: Core, output: OutputRecord) -> Picture | None:
    asset = None if output.asset_id is None else await core.assets.get(output.asset_id)
    return None if asset is None else Picture(output, asset)


def format_of(content_type: str) -> str:
    """Return OpenAI's word for a picture's type: ``png``, ``jpeg``, ``webp``."""
    return content_type.partition(";")[0].rpartition("/")[2]


def about(said: Mapping[str, Any], content_type: str) -> dict[str, Any]:
    """Return what an answer repeats of its request, and the format that came."""
    shown = {name: said[name] for name in ("size", "quality", "background") if said.get(name)}
    return {"output_format": format_of(content_type), **shown}


async def base64_of(assets: Assets, asset: AssetRecord) -> AsyncIterator[bytes]:
    """Yield the bytes of an asset in base64, a piece at a time."""
    rest = b""
    async for chunk in assets.read(asset):
        rest += chunk
        whole = len(rest) // 3 * 3
        yield base64.b64encode(rest[:whole])
        rest = rest[whole:]
    yield base64.b64encode(rest)


async def body(
    core: Core, pictures: Sequence[Picture], said: Mapping[str, Any], *, origin: str | None
) -> AsyncIterator[bytes]:
    """Yield the answer's JSON: pictures as links below ``origin``, or in base64 where that is None.

    It is never whole in memory: ten pictures in base64 may have hundreds of megabytes.
    """
    facts = {"created": int(time.time()), "usage": USAGE, **about(said, pictures[0].asset.content_type)}
    yield json.dumps(facts)[:-1].encode() + b', "data": ['
    revised = {"revised_prompt": said["prompt"]} if said.get("prompt") else {}
    for at, picture in enumerate(pictures):
        yield b", " if at else b""
        if origin is not None:
            yield json.dumps({"url": core.assets.url(picture.asset, origin)[0], **revised}).encode()
            continue
        yield b'{"b64_json": "'
        async for piece in base64_of(core.assets, picture.asset):
            yield piece
        yield b'"' + (b", " + json.dumps(revised)[1:-1].encode() if revised else b"") + b"}"
    yield b"]}"
