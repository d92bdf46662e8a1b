"""What a job service answered: the JSON of it, or its refusal as an exception."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from comfywire.errors import ComfywireError, ConnectionFailed, ConnectionLost, UnexpectedReply

__all__ = ["NoService", "ServiceRefused", "as_away", "read_answer"]

ANSWERS_WITH_THE_JOB = (410, 424)
"""Statuses that ``?wait=`` answers with, whose body is the job that ended badly."""


class NoService(ConnectionFailed):
    """No job service was reached."""

    next_step = "; name another with --service, or start one with `comfywire serve`"


class ServiceRefused(ComfywireError):
    """The service answered with an error.

    Attributes:
        status: The HTTP status.
        code: Its word for what is wrong, such as ``queue_full``.
        details: More about it, such as ``node_errors``.
        next_step: What to do about it, if it is not in the message; reads on from that.
        retry_after: Seconds after which it may be tried again; None when that is not said.

    """

    def __init__(self, status: int, error: Mapping[str, Any], retry_after: str | None = None) -> None:
        self.status = status
        self.code = str(error.get("code") or status)
        self.details = error.get("details")
        self.retry_after = float(retry_after) if retry_after and retry_after.isdecimal() else None
        self.next_step = "; give --key, or set COMFYWIRE_KEY" if status == 401 else ""
        super().__init__(str(error.get("message") or f"{status} was the answer: is that a job service?"))


async def read_answer(response: aiohttp.ClientResponse) -> Any:
    """Return the JSON that a service answered; None where it answers with nothing.

    Raises:
        ServiceRefused: The answer is an error.
        UnexpectedReply: The answer is no JSON, so it is no job service that answers.

    """
    if response.status == 204:
        return None
    try:
        answer = json.loads(await response.read())
    except (ValueError, RecursionError) as error:
        if response.ok:
            raise UnexpectedReply(f"{response.url.with_query(None)} did not answer with JSON") from error
        raise _refusal(response, {}) from error
    is_job = isinstance(answer, dict) and {"error", "id"} <= answer.keys()
    if response.ok and not 300 <= response.status < 400:
        return answer
    if is_job and response.status in ANSWERS_WITH_THE_JOB:
        return answer
    envelope = answer.get("error") if isinstance(answer, dict) else None
    raise _refusal(response, envelope if isinstance(envelope, dict) else {})


def _refusal(response: aiohttp.ClientResponse, error: Mapping[str, Any]) -> ServiceRefused:
    refusal = ServiceRefused(response.status, error, response.headers.get("Retry-After"))
    if "Authorization" in response.request_info.headers:
        refusal.next_step = ""  # who has given a key that does not open need not be told how to give one
    return refusal


def as_away(error: Exception, url: str) -> ComfywireError:
    """Return what an exception of aiohttp means: was the service not reached, or did it break off?"""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            why: object = error.certificate_error
        case aiohttp.ClientConnectorError():
            why = error.os_error
        case aiohttp.ConnectionTimeoutError():
            why = "it did not answer in time"
        case aiohttp.InvalidURL():
            why = "that address cannot be reached"
        case _:
            words = str(error) or type(error).__name__
            return ConnectionLost(f"the connection to the job service broke: {url}: {words}")
    return NoService(f"no job service was reached at {url}: {why}")
