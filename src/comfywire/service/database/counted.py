"""Counts that stay cheap however much there is: exact while that is little, and then kept for some seconds.

Counting looks at each row that is counted. A few thousand are looked at whenever somebody asks. Where there
are more, the answer is kept in the database with the time at which it was counted, for all processes; it is
told with that time, and counted anew when somebody asks for it later. So nobody who submits or ends a job
keeps a counter, for which all would wait, and who looks each second costs what looking now and then does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from comfywire.service.database.pool import Database, Row
from comfywire.service.sql import queries

__all__ = ["FEW", "Counted", "counted", "counted_anew", "keep"]

SQL = queries("counted")
FEW = 5000
"""So many rows are counted at each question: 2 ms."""
EACH_SECOND = 10_000
"""A count is good for a second for each so many rows: they are looked at in 5 to 10 ms, a hundredth of it."""
LONGEST = 60.0
"""Seconds for which a count is good at most."""
PATIENCE = 10.0
"""Seconds that somebody has for counting anew, while all others make do with the last count."""
WRITTEN: Mapping[str, Callable[[str], Any]] = {"oldest": datetime.fromisoformat, "key_id": UUID}
"""Columns that JSON has no type for."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a query counted.

    Attributes:
        rows: Its rows.
        as_of: When it was counted, by the database's clock.
        age: Seconds since then; 0.0 if it was counted for this very question.

    """

    rows: Sequence[Row]
    as_of: datetime
    age: float = 0.0


async def counted(database: Database, name: str, query: str, /, **values: Any) -> Counted:
    """Return what a query counts, now or some seconds ago.

    Args:
        database: Where it is counted, and kept.
        name: Under which name all processes keep it: the same query with the same values, always. One whose
            columns change needs another name, since older processes go on with theirs.
        query: Its first row has, as ``total``, how many rows it looked at. No row is none.
        values: What the query is asked with.

    Raises:
        DatabaseAway, psycopg_pool.PoolTimeout: The database does not answer.

    """
    last = await _last(database, name)
    if last["rows"] is not None and (
        last["is_good"] or (last["will_do"] and not await _claimed(database, name))
    ):
        age = (last["now"] - last["as_of"]).total_seconds()
        return Counted([_read(row) for row in last["rows"]], last["as_of"], max(age, 0.0))
    return await _count(database, name, last, query, values)


async def counted_anew(database: Database, name: str, query: str, /, **values: Any) -> Counted:
    """Return what a query counts now, whatever is kept, and keep that; see :func:`counted`."""
    return await _count(database, name, await _last(database, name), query, values)


async def keep(database: Database, name: str, rows: Sequence[Row], *, as_of: datetime) -> None:
    """Keep these rows under a name of :func:`counted`, where they are of much.

    For who knows what has become of a count since, as whoever removes what was counted does.
    """
    total = rows[0]["total"] if rows else 0
    if total <= FEW:
        await database.do(SQL["forget"], name=name)
        return
    written, lifetime = Jsonb(rows, dumps=partial(json.dumps, default=str)), min(total / EACH_SECOND, LONGEST)
    await database.do(SQL["keep"], name=name, rows=written, as_of=as_of, lifetime=lifetime)


async def _last(database: Database, name: str) -> Row:
    last = await database.one(SQL["kept"], name=name, oldest=LONGEST + PATIENCE)
    assert last is not None
    return last


async def _count(database: Database, name: str, last: Row, query: str, values: Mapping[str, Any]) -> Counted:
    rows = await database.all(query, **values)
    is_much = bool(rows) and rows[0]["total"] > FEW
    if is_much or last["rows"] is not None:
        await keep(database, name, rows, as_of=last["now"])
    return Counted(rows, last["now"])


async def _claimed(database: Database, name: str) -> bool:
    """Whether it is ours to count anew."""
    return await database.do(SQL["claim"], name=name, patience=PATIENCE) > 0


def _read(row: Row) -> Row:
    return {
        name: WRITTEN[name](value) if name in WRITTEN and value is not None else value
        for name, value in row.items()
    }
