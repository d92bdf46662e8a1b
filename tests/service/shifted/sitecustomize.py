"""The clock of a process that imports this before all else is $SHIFT seconds wrong, and goes on as ever."""

import datetime as dt
import os
import time
from typing import Any

SHIFT = float(os.environ["SHIFT"])
REAL, REAL_NS, Real = time.time, time.time_ns, dt.datetime


class Kind(type):
    """What psycopg and others make is a datetime, too."""

    def __instancecheck__(cls, one: Any) -> bool:
        return isinstance(one, Real)


class Shifted(Real, metaclass=Kind):
    __slots__ = ()

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:
        return Real.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        return Real.fromtimestamp(time.time(), dt.UTC).replace(tzinfo=None)


time.time = lambda: REAL() + SHIFT
time.time_ns = lambda: REAL_NS() + int(SHIFT * 1e9)
dt.datetime = Shifted  # type: ignore[misc]
