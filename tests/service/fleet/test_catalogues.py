"""What the fleet has is asked once by all who want to know: nobody waits for another's question."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from tests.service.making import PROMPT
from tests.service.rig import until

from comfywire.service.database.pool import Database, Row
from comfywire.service.fleet.catalogues import Catalogues

LOCK = "LOCK TABLE comfywire.servers IN ACCESS EXCLUSIVE MODE"
WAITING = """SELECT pid FROM pg_stat_activity
              WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()"""
MANY = 16


class Counting(Database):
    asked = 0

    async def all(self, query: str, /, **values: Any) -> list[Row]:
        self.asked += 1
        return await super().all(query, **values)


async def judged(catalogues: Catalogues) -> object:
    return await catalogues.verdict(PROMPT)


@pytest.mark.parametrize(
    "ask", [judged, Catalogues.input_kinds, Catalogues.newest_first], ids=["verdict", "kinds", "all"]
)
@pytest.mark.parametrize("fails", [True, False], ids=["fails", "answers"])
async def test_a_database_that_is_slow_is_waited_for_once_by_many(
    database: Database, ask: Callable[[Catalogues], Awaitable[object]], fails: bool
) -> None:
    async with Counting(database.url) as slow, await psycopg.AsyncConnection.connect(database.url) as holder:
        catalogues = Catalogues(slow)
        await holder.execute(LOCK)
        asking = [asyncio.ensure_future(ask(catalogues)) for _ in range(MANY)]
        await until(lambda: database.one(WAITING))
        if fails:
            await database.one(WAITING.replace("pid", "pg_terminate_backend(pid)", 1))
            answers = await asyncio.gather(*asking, return_exceptions=True)
        await holder.rollback()
        if not fails:
            answers = await asyncio.gather(*asking, return_exceptions=True)
        count, again = slow.asked, await ask(catalogues)

    assert count == 1
    assert [isinstance(answer, psycopg.Error) for answer in answers] == [fails] * MANY
    assert not isinstance(again, Exception)  # a failure is not kept
