"""Logs for machines: a JSON object a line, with the prompt_id of the job that the line is about.

Standard library only: code logs with ``log.info("words %s", ...)`` as always, and :func:`about` around the
code adds the fields.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import IO, Any

__all__ = ["JsonFormatter", "PlainFormatter", "about", "configure"]

_FACTS: ContextVar[Mapping[str, str]] = ContextVar("comfywire_facts", default={})  # noqa: B039 - never changed
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_QUIET = ("httpx", "httpcore", "asyncio", "psycopg", "fsspec", "uvicorn.error")
"""Libraries whose lines below a warning are many, and none that an operator acts on."""
_QUIETER = ("psycopg.pool",)
"""psycopg's pool warns of each failed try in an outage, which ``database/outage.py`` logs in one line."""

_REFUSED_SOCKET = "ASGI callable returned without completing handshake."
"""uvicorn's line for each socket that was refused with an answer, as the protocol has it (run_asgi in
websockets_sansio_impl.py, 0.54.0): anybody without a key could fill the log with errors."""


@contextlib.contextmanager
def about(**facts: object) -> Iterator[None]:
    """Add fields, such as ``prompt_id``, to every line that is logged inside, also by tasks begun inside.

    Fields of an outer ``about`` stay; the value None takes a field away.
    """
    inside = {**_FACTS.get(), **{name: str(fact) for name, fact in facts.items() if fact is not None}}
    token = _FACTS.set({name: fact for name, fact in inside.items() if facts.get(name, "") is not None})
    try:
        yield
    finally:
        _FACTS.reset(token)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of a line: those of :func:`about`, and those of ``extra=`` in the call."""
    own = {name: value for name, value in vars(record).items() if name not in _OWN}
    return {**_FACTS.get(), **own}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, ``traceback``, and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": f"{_utc(record.created)}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class PlainFormatter(logging.Formatter):
    """A line for people, the prompt_id behind it where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = _fields(record)
        behind = f"  [{fields['prompt_id']}]" if "prompt_id" in fields else ""
        line = f"{_utc(record.created)[11:]} {record.levelname.lower():7} {record.getMessage()}{behind}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    return record.msg != _REFUSED_SOCKET


def configure(*, as_json: bool, level: int = logging.INFO, stream: IO[str] | None = None) -> None:
    """Send what the process logs to ``stream``, standard error by default, in one of the two forms.

    uvicorn configures its own loggers unless it is started with ``log_config=None``: then their lines go to
    ``stream``, too.
    """
    sink = logging.StreamHandler(stream or sys.stderr)
    sink.setFormatter(JsonFormatter() if as_json else PlainFormatter())
    logging.basicConfig(level=level, handlers=[sink], force=True)
    logging.getLogger("uvicorn.error").addFilter(_is_worth_a_line)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    for name in _QUIETER:
        logging.getLogger(name).setLevel(max(level, logging.ERROR))
