"""``/v1/images``: pictures made anew, and pictures made of others; each is a job of a registered workflow."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from comfywire.service.api.admission import key_first_router
from comfywire.service.api.context import Service, Submitting, origin_of
from comfywire.service.core import Core

from .bodies import Form, ImageBody, body_of, read_body
from .orders import Order, all_ended, canceling, is_kept, ordered, unless_gone
from .pictures import body as body_with
from .pictures import pictures_of
from .streaming import stream_of

__all__ = ["router"]

GENERATION, EDIT = "image_generation", "image_edit"
ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`{created, data: [{b64_json | url}], output_format, usage}`; with `stream`, events.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "model": {"type": "string"},
                        "prompt": {"type": "string"},
                        "image": {
                            "type": "string",
                            "format": "binary",
                            "description": "Or `image[]`, repeated.",
                        },
                        "mask": {"type": "string", "format": "binary"},
                        "n": {"type": "integer", "minimum": 1, "maximum": 10},
                        "size": {"type": "string"},
                        "response_format": {"type": "string", "enum": ["b64_json", "url"]},
                    },
                    "additionalProperties": True,
                }
            }
        },
    }
}
router = key_first_router("/v1", tag="openai")


@router.post(
    "/images/generations", operation_id="openaiGenerateImages", response_class=Response, responses=ANSWER
)
async def generate(body: ImageBody, request: Request, core: Service, caller: Submitting) -> Response:
    """Make pictures; the answer comes when they are there."""
    kept = is_kept(request)
    order = Order(await ordered(core, caller, request, body, Form()), kept)
    return await _answered(core, request, body, order, GENERATION)


@router.post(
    "/images/edits",
    operation_id="openaiEditImages",
    response_class=Response,
    responses=ANSWER,
    openapi_extra=FORM,
)
async def edit(request: Request, core: Service, caller: Submitting) -> Response:
    """Make pictures of pictures, which come as files of a form, or by URL in JSON."""
    kept = is_kept(request)
    async with AsyncExitStack() as until_kept:
        form = await read_body(request, core.assets, core.settings.max_upload_bytes, until_kept)
        asked = body_of(ImageBody, form.fields)
        order = Order(await ordered(core, caller, request, asked, form), kept)
    return await _answered(core, request, asked, order, EDIT)


async def _answered(core: Core, request: Request, asked: ImageBody, order: Order, kind: str) -> Response:
    said = asked.inputs()
    if asked.stream:
        return stream_of(core, order, said, kind=kind, partial_images=asked.partial_images or 0)
    async with canceling(core, order):
        jobs = await unless_gone(request, all_ended(core, order.job_ids))
    pictures = await pictures_of(core, jobs)
    origin = origin_of(request) if asked.response_format == "url" else None
    return StreamingResponse(
        body_with(core, pictures, said, origin=origin),
        media_type="application/json",
        headers={"Comfywire-Job-Ids": ",".join(map(str, order.job_ids))},
    )
