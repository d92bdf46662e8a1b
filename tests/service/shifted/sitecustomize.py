"""The clock of a process that imports this before all else is $SHIFT seconds wrong, and goes on as ever."""

import datetime as dt
import os
import time
from datetime import datetime as real_datetime
from typing import Any

SHIFT = float(os.environ["SHIFT"])
REAL, REAL_NS = time.time, time.time_ns


class Kind(type):
    """What psycopg and others make is a datetime, too."""

    def __instancecheck__(cls, one: Any) -> bool:
        return isinstance(one, real_datetime)


class Shifted(real_datetime, metaclass=Kind):
    __slots__ = ()

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:
        return real_datetime.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        return real_datetime.fromtimestamp(time.time(), dt.UTC).replace(tzinfo=None)


time.time = lambda: REAL() + SHIFT
time.time_ns = lambda: REAL_NS() + int(SHIFT * 1e9)
dt.datetime = Shifted  # type: ignore[misc]
