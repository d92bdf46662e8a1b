"""Counts that stay cheap: exact where there is little, and told with their time where there is much."""

import asyncio
import uuid
from typing import Any

import psycopg
import pytest
from tests.service.rig import until

from comfywire.service.database.counted import FEW, Counted, counted
from comfywire.service.database.pool import Database

QUERY = "SELECT count(*) AS count, %(total)s::bigint AS total FROM switches"
KEPT = "SELECT name, good_until - as_of AS lifetime FROM counted"


async def count(database: Database, total: int, query: str = QUERY) -> Counted:
    return await counted(database, "switches", query, total=total)


async def one_more(database: Database) -> None:
    await database.do("INSERT INTO switches (name, value) VALUES (gen_random_uuid()::text, '{}')")


async def grow_old(database: Database, seconds: float) -> None:
    """Have what is kept be so much older."""
    await database.do(
        "UPDATE counted SET as_of = as_of - make_interval(secs => %(seconds)s), "
        "good_until = good_until - make_interval(secs => %(seconds)s), "
        "claimed_at = claimed_at - make_interval(secs => %(seconds)s)",
        seconds=seconds,
    )


async def is_claimed(database: Database) -> bool:
    return bool(await database.all("SELECT FROM counted WHERE claimed_at > '-infinity'"))


@pytest.mark.parametrize("total", [0, 1, FEW])
async def test_what_is_little_is_counted_each_time(database: Database, total: int) -> None:
    before = await count(database, total)
    await one_more(database)
    after = await count(database, total)

    assert (before.rows[0]["count"], after.rows[0]["count"]) == (0, 1)
    assert (before.age, after.age) == (0.0, 0.0)
    assert after.as_of > before.as_of
    assert await database.all(KEPT) == []


async def test_what_is_much_is_counted_now_and_then_and_says_when(database: Database) -> None:
    before = await count(database, 10**7)
    await one_more(database)
    kept = await count(database, 10**7)
    await grow_old(database, 61)
    after = await count(database, 10**7)

    assert [found.rows[0]["count"] for found in (before, kept, after)] == [0, 0, 1]
    assert kept.as_of == before.as_of
    assert kept.age > 0.0
    assert after.as_of > before.as_of


@pytest.mark.parametrize(("total", "seconds"), [(FEW + 1, 0.5001), (100_000, 10.0), (10**9, 60.0)])
async def test_it_is_kept_for_as_long_as_it_was_work(database: Database, total: int, seconds: float) -> None:
    await count(database, total)

    (kept,) = await database.all(KEPT)
    assert kept["lifetime"].total_seconds() == pytest.approx(seconds)


async def test_another_process_is_told_the_same(database: Database) -> None:
    before = await count(database, 10**7)
    await one_more(database)
    async with Database(database.url) as other:
        assert (await count(other, 10**7)).as_of == before.as_of


async def test_what_was_much_and_is_little_is_not_kept_any_more(database: Database) -> None:
    await count(database, 10**7)
    await grow_old(database, 61)
    await count(database, 3)

    assert await database.all(KEPT) == []


async def test_while_one_counts_anew_the_others_make_do_with_what_there_is(database: Database) -> None:
    before = await count(database, 10**7)
    await grow_old(database, 61)
    async with await psycopg.AsyncConnection.connect(database.url) as other:
        await other.execute("SET search_path TO comfywire")
        await other.execute("LOCK TABLE switches IN ACCESS EXCLUSIVE MODE")
        counting = asyncio.create_task(count(database, 10**7))
        await until(lambda: is_claimed(database))
        meanwhile = await count(database, 10**7)
        assert not counting.done()
        await other.rollback()
    after = await counting

    assert meanwhile.age > 60.0
    assert meanwhile.as_of < before.as_of  # the same count, which was made older
    assert after.as_of > before.as_of


async def test_nobody_makes_do_with_what_is_very_old(database: Database) -> None:
    await count(database, 10**7)
    await database.do("UPDATE counted SET claimed_at = now() + interval '1 hour'")
    await grow_old(database, 80)
    await one_more(database)

    assert (await count(database, 10**7)).rows[0]["count"] == 1


async def test_a_count_of_later_than_now_is_none(database: Database) -> None:
    """The clock was set back, and nobody knows how old it is."""
    await count(database, 10**7)
    await grow_old(database, -3600)
    await one_more(database)

    assert (await count(database, 10**7)).rows[0]["count"] == 1


async def test_it_is_counted_by_who_died_of_counting_it_for_ten_seconds_only(database: Database) -> None:
    await count(database, 10**7)
    await grow_old(database, 61)
    await database.do("UPDATE counted SET claimed_at = now() - interval '11 seconds', as_of = now()")
    await one_more(database)

    assert (await count(database, 10**7)).rows[0]["count"] == 1


async def test_times_and_ids_are_kept_as_what_they_are(database: Database) -> None:
    query = """
        SELECT gen_random_uuid() AS key_id, now() AS oldest, NULL::timestamptz AS other, 0.5::float8 AS age,
               'é"' AS key_name, true AS is_held, '{"tags": ["a"]}'::jsonb AS requirement,
               %(total)s::bigint AS total
    """
    before = await count(database, 10**7, query)
    kept = await count(database, 10**7, query)

    assert kept.rows == before.rows
    assert isinstance(kept.rows[0]["key_id"], uuid.UUID)


async def test_of_nothing_there_are_no_rows(database: Database) -> None:
    nothing: dict[str, Any] = {"total": 0}
    found = await counted(database, "nothing", f"{QUERY} WHERE false GROUP BY name", **nothing)

    assert found.rows == []
