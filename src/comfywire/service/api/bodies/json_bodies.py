"""JSON bodies of strangers: bounded in elements and in depth before anything is made of them. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from comfywire.errors import ComfywireError
from comfywire.service.api.errors import InvalidRequest
from comfywire.service.database.storable import DEEPEST

__all__ = ["MOST_ELEMENTS", "TooManyElements", "elements_in", "read", "validated"]

MOST_ELEMENTS = 250_000
"""Values in one body: fifty for each of the 5,000 nodes that a workflow may have by default.

Python makes an object of each, with the interpreter's lock held: these take a tenth of a second, those of a
body of 32 MiB would take eight.
"""
AROUND_A_GRAPH = 8
"""Levels that a body may have beside those of a graph in it."""
MOST_ERRORS = 1_000
"""Wrong places beyond which a body is not gone through: each costs some microseconds to describe."""
STRINGS_AND_ELEMENTS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|[,\[{]', re.DOTALL)
"""A string whole, or a byte that a value follows. Nothing here goes back, whatever the bytes are."""


class TooManyElements(ComfywireError):
    """A body has more values than any workflow has."""

    code = "payload_too_large"
    http_status = 413

    def __init__(self) -> None:
        super().__init__(f"the body has more than {MOST_ELEMENTS} values, the most that are taken: send less")


def elements_in(body: bytes, most: int) -> int:
    """Return how many values ``body`` has at most; beyond ``most`` the counting stops.

    Commas and brackets are counted, which is fast; only where they are too many those inside of strings
    are left out.
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


def read(body: bytes) -> Any:
    """Return what ``body`` says.

    Raises:
        TooManyElements: More than any workflow has.
        RequestValidationError: It is no JSON.
        InvalidRequest: It is nested too deeply, or holds a number that Python does not read.

    """
    if elements_in(body, MOST_ELEMENTS) > MOST_ELEMENTS:
        raise TooManyElements
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
        level = [inner for one in level for inner in _containers_in(one)]
        if not level:
            return
    raise _too_deep()


def _containers_in(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for one in inner if isinstance(one, (dict, list))]


def _too_deep() -> InvalidRequest:
    return InvalidRequest(f"the body is nested more than {DEEPEST} levels deep: flatten it")


def validated(model: TypeAdapter[Any], value: Any) -> Any:
    """Return ``value`` as ``model`` has it.

    Raises:
        RequestValidationError: It is wrong, and where.
        InvalidRequest: It is wrong in so many places that only their number is said.

    """
    try:
        return model.validate_python(value)
    except ValidationError as error:
        if error.error_count() > MOST_ERRORS:
            raise InvalidRequest(
                f"the body is wrong in {error.error_count()} places: "
                "/api/v2/openapi.json says what belongs there"
            ) from None
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(found, body=value) from None
