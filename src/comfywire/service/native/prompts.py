"""POST and GET /prompt: a prompt becomes a job like any other, and is answered as a ComfyUI answers it."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from comfywire.service.access.callers import Caller
from comfywire.service.assets.foreign_files import ForeignFile
from comfywire.service.core import Core
from comfywire.service.database.storable import must_be_storable
from comfywire.service.jobs.native_prompts import NativePrompts, Submitted
from comfywire.service.native.face import BadRequest, json_body, routes, words_of
from comfywire.service.submission import Native, Submission, submit_workflow
from comfywire.service.submission_checks import RejectedWorkflow
from comfywire.workflow import Problem
from comfywire.workflow.validation.converting import converted
from comfywire.workflow.validation.refusals import error_of, node_errors_of, plain_error

__all__ = ["CANONICAL", "ROUTES"]

CANONICAL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SECRETS = ("auth_token_comfy_org", "api_key_comfy_org")
"""What paid nodes are given: a ComfyUI shows them nowhere, and here they are encrypted as well."""
MOST_EXTRA_BYTES = 8 << 20
HIGHEST = 20
"""The highest priority of a job, and with a minus the lowest."""
WRONG_ID = plain_error(
    "invalid_prompt_id",
    "prompt_id must be a valid UUID",
    "prompt_id must be a UUID string in canonical lowercase hyphenated form; "
    "omit it to let the server generate one",
)
NO_PROMPT = plain_error("no_prompt", "No prompt provided", "No prompt provided")
USED_ID = plain_error(
    "prompt_id_in_use",
    "prompt_id is used already",
    "this prompt_id stands for another prompt: omit it, or draw a new one",
)


async def get_prompt(request: Request, core: Core, caller: Caller) -> Response:
    """Say how many prompts of the caller's have not ended."""
    del request
    remaining = await NativePrompts(core.database).remaining(caller.key_id)
    return JSONResponse({"exec_info": {"queue_remaining": remaining}})


async def post_prompt(request: Request, core: Core, caller: Caller) -> Response:
    """Queue a prompt; when this answers 200, the job survives whatever dies."""
    body = words_of(await json_body(request))
    if "prompt" not in body:
        return _rejected(NO_PROMPT)
    given = body.get("prompt_id")
    if given is not None and not (isinstance(given, str) and CANONICAL.fullmatch(given)):
        return _rejected(WRONG_ID)
    is_large = len(await request.body()) > MOST_EXTRA_BYTES
    if is_large and await _size(body.get("extra_data")) > MOST_EXTRA_BYTES:
        raise BadRequest(f"'extra_data' is longer than {MOST_EXTRA_BYTES} bytes: send less", 413)
    prompt_id = None if given is None else UUID(given)
    submission = await asyncio.to_thread(_submission, body, prompt_id, request.headers)
    submission = replace(submission, workflow=await _converted(core, submission.workflow))
    earlier = None if given is None else await _answered(core, caller, submission)
    return earlier or await _submitted(core, caller, submission)


async def _size(extra_data: Any) -> int:
    return len(await asyncio.to_thread(json.dumps, extra_data))


async def _converted(core: Core, prompt: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a prompt with its values as a ComfyUI converts them: the queue shows them so."""
    types = {node["class_type"] for node in prompt.values() if _has_type(node)}
    catalogue = await core.catalogues.covering(types)
    return prompt if catalogue is None else converted(prompt, catalogue)


def _has_type(node: Any) -> bool:
    return isinstance(node, dict) and isinstance(node.get("class_type"), str)


async def _submitted(core: Core, caller: Caller, submission: Submission) -> Response:
    try:
        job = await submit_workflow(core, caller, submission)
    except RejectedWorkflow as error:
        return _refused(error, submission.workflow)
    except ForeignFile as error:
        return _foreign(error, submission.workflow)
    except psycopg.errors.UniqueViolation:
        # The same id came twice at once: the other one's job is there now.
        return await _answered(core, caller, submission) or _rejected(USED_ID)
    return _accepted(job.id, job.number, job.node_errors or {})


async def _answered(core: Core, caller: Caller, submission: Submission) -> Response | None:
    """Return the answer for an id that is used: the same prompt once more is the same job."""
    assert submission.prompt_id is not None
    earlier = await NativePrompts(core.database).submitted(submission.prompt_id)
    if earlier is None:
        return None
    if earlier.key_id != caller.key_id or not _is_same(earlier, submission):
        return _rejected(USED_ID)
    return _accepted(submission.prompt_id, earlier.number, earlier.node_errors or {})


def _is_same(earlier: Submitted, submission: Submission) -> bool:
    targets = None if submission.targets is None else list(submission.targets)
    is_native = earlier.number is not None
    return is_native and earlier.prompt == submission.workflow and earlier.targets == targets


def _submission(body: Mapping[str, Any], prompt_id: UUID | None, headers: Mapping[str, str]) -> Submission:
    prompt = body["prompt"]
    if not isinstance(prompt, dict):
        raise BadRequest("'prompt' is no object: send a graph in API format")
    number = _number(body.get("number"))
    extra_data = _extra_data(body, headers)
    client_id = extra_data.pop("client_id", None)
    return Submission(
        workflow=_kept(prompt, "prompt"),
        targets=_targets(body.get("partial_execution_targets"), prompt),
        priority=_priority(number, is_front=bool(body.get("front"))),
        extra_data={name: extra_data.pop(name) for name in SECRETS if name in extra_data},
        prompt_id=prompt_id or uuid4(),
        native=Native(
            extra_data=extra_data,
            client_id=client_id if isinstance(client_id, str) else None,
            number=number,
            is_front=bool(body.get("front")),
        ),
    )


def _extra_data(body: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """Return what goes along, bounded; without nulls, which break listings of newer servers."""
    said = body.get("extra_data") or {}
    if not isinstance(said, dict):
        raise BadRequest("'extra_data' is no object")
    extra_data = {name: value for name, value in said.items() if value is not None}
    if "client_id" in body:
        extra_data["client_id"] = body["client_id"]
    if (source := headers.get("comfy-usage-source")) is not None:
        extra_data.setdefault("comfy_usage_source", source)
    return dict(_kept(extra_data, "extra_data"))


def _kept(value: dict[str, Any], name: str) -> dict[str, Any]:
    try:
        must_be_storable(value)
    except ValueError as error:
        raise BadRequest(f"{name!r} {error}") from error
    return value


def _number(said: Any) -> float | None:
    if said is None:
        return None
    try:
        number = float(said)
    except (TypeError, ValueError, OverflowError):
        raise BadRequest("'number' is no number") from None
    if not math.isfinite(number):
        raise BadRequest("'number' is not finite: the answer could not be written as JSON")
    return number


def _priority(number: float | None, *, is_front: bool) -> int:
    """Return the priority that a place in a ComfyUI's queue means: the smaller the number, the sooner."""
    if number is None:
        return int(is_front)
    return round(max(-HIGHEST, min(HIGHEST, -number)))


def _targets(said: Any, prompt: Mapping[str, Any]) -> list[str] | None:
    if said is None:
        return None
    if not isinstance(said, list) or not all(isinstance(target, str) for target in said):
        raise BadRequest("'partial_execution_targets' is no list of node ids")
    return [target for target in dict.fromkeys(said) if target in prompt]  # the others are passed over there


def _accepted(job_id: UUID, number: float | None, node_errors: Mapping[str, Any]) -> Response:
    whole = int(number) if number is not None and number.is_integer() else number
    return JSONResponse({"prompt_id": str(job_id), "number": whole, "node_errors": dict(node_errors)})


def _rejected(error: Mapping[str, Any], node_errors: Mapping[str, Any] | None = None) -> Response:
    return JSONResponse({"error": dict(error), "node_errors": dict(node_errors or {})}, 400)


def _refused(error: RejectedWorkflow, prompt: Mapping[str, Any]) -> Response:
    """Return what a ComfyUI would say of the prompt; what only we refuse has our words."""
    if error.verdict is None:
        return _rejected(_misshapen(prompt) or plain_error("invalid_prompt", str(error)))
    problems, catalogue = error.verdict.problems, error.verdict.catalogue
    node_errors = node_errors_of(problems, prompt, catalogue)
    return _rejected(error_of(problems, node_errors, prompt), node_errors)


def _misshapen(prompt: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what a ComfyUI says of a graph that no catalogue was asked about; None where it fails at it."""
    if not prompt:
        return plain_error("prompt_no_outputs", "Prompt has no outputs")
    node_id, node = next(((key, one) for key, one in prompt.items() if not _has_type(one)), (None, None))
    if node_id is None or not isinstance(node, dict):
        return None
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    about = Problem("missing_node_type", "", node_id, title=title if isinstance(title, str) else None)
    return error_of([about], {}, prompt)


def _foreign(error: ForeignFile, prompt: Mapping[str, Any]) -> Response:
    told = plain_error(
        "custom_validation_failed",
        "Custom validation failed for node",
        f"{error.input} - {error}",
        input_name=error.input,
    )
    class_type = prompt[error.node_id].get("class_type")
    node_errors = {error.node_id: {"errors": [told], "dependent_outputs": [], "class_type": class_type}}
    return _rejected(
        plain_error("prompt_outputs_failed_validation", "Prompt outputs failed validation", str(error)),
        node_errors,
    )


ROUTES = [
    *routes("/prompt", get_prompt),
    *routes("/prompt", post_prompt, "POST", scope="submit"),
]
