"""JSON bodies of strangers, bounded in values before Python parses them, and in depth right after. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from comfywire.errors import ComfywireError
from comfywire.service.api.errors import InvalidRequest
from comfywire.service.database.storable import DEEPEST

__all__ = ["MOST_ELEMENTS", "TooManyElements", "elements_in", "must_be_few", "read", "validated"]

MOST_ELEMENTS = 250_000
"""Values in one body: fifty for each of the 5,000 nodes that a workflow may have by default.

Python makes an object of each value and holds the interpreter's lock meanwhile: so many take a tenth of a
second, and as many as fit into a body of 32 MiB would stop the process for eight.
"""
AROUND_A_GRAPH = 8
"""Levels that a body may have around those of the graph in it."""
MOST_ERRORS = 1_000
"""Wrong places beyond which an answer has only their number: each costs some microseconds to describe."""
STRINGS_AND_ELEMENTS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|[,\[{]', re.DOTALL)
"""A whole string, or a byte that a value follows.

The quantifiers are possessive: the search never goes back, so that no body can make it slow.
"""


class TooManyElements(ComfywireError):
    """A body has more values than a workflow of the largest size."""

    code = "payload_too_large"
    http_status = 413

    def __init__(self) -> None:
        super().__init__(f"the body has more than {MOST_ELEMENTS} values, the most that are taken: send less")


def elements_in(body: bytes, most: int) -> int:
    """Return how many values ``body`` has at most; beyond ``most`` the counting stops.

    Commas and brackets are counted first, also those inside of strings, which is fast. Only where these are
    too many does a slower search leave out those inside of strings.
    """
    count = 1 + sum(body.count(mark) for mark in (b",", b"[", b"{"))
    if count <= most:
        return count
    count = 1
    for match in STRINGS_AND_ELEMENTS.finditer(body):
        count += body[match.start()] != ord('"')
        if count > most:
            break
    return count


def must_be_few(body: bytes) -> None:
    """Refuse a body, before it is parsed, with more values than ``MOST_ELEMENTS``.

    Raises:
        TooManyElements: It has more.

    """
    if elements_in(body, MOST_ELEMENTS) > MOST_ELEMENTS:
        raise TooManyElements


def read(body: bytes) -> Any:
    """Return the value that ``body`` has as JSON.

    Raises:
        TooManyElements: The body has more values than ``MOST_ELEMENTS``.
        RequestValidationError: The body is no JSON.
        InvalidRequest: The body is not UTF-8, nested too deeply, or has a number that Python does not read.

    """
    must_be_few(body)
    try:
        value = json.loads(body)
    except json.JSONDecodeError as error:
        raise RequestValidationError(
            [{"type": "json_invalid", "loc": ("body", error.pos), "msg": "JSON decode error", "input": {},
              "ctx": {"error": error.msg}}]
        ) from error  # fmt: skip
    except UnicodeDecodeError as error:
        raise InvalidRequest("the body is not UTF-8: encode it so") from error
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise InvalidRequest(f"the body holds a number that cannot be read: {error}") from error
    _must_be_shallow(value)
    return value


def _must_be_shallow(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST + AROUND_A_GRAPH):
        level = [inner for container in level for inner in _containers_in(container)]
        if not level:
            return
    raise _too_deep()


def _containers_in(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [element for element in inner if isinstance(element, (dict, list))]


def _too_deep() -> InvalidRequest:
    return InvalidRequest(f"the body is nested more than {DEEPEST} levels deep: flatten it")


def validated(model: TypeAdapter[Any], value: Any) -> Any:
    """Return an instance of ``model`` made of ``value``.

    Raises:
        RequestValidationError: ``value`` is wrong; the error lists the places.
        InvalidRequest: ``value`` is wrong in so many places that the error has only their number.

    """
    try:
        return model.validate_python(value)
    except ValidationError as error:
        if error.error_count() > MOST_ERRORS:
            raise InvalidRequest(
                f"the body is wrong in {error.error_count()} places: "
                "/api/v2/openapi.json says what belongs there"
            ) from None
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_url=False)]
        raise RequestValidationError(faults, body=value) from None
