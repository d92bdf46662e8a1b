"""Sessions of browsers end with the secret that they were begun with, and are bounded."""

from dataclasses import dataclass

import pytest

from comfywire.service.access.callers import CACHED, Unauthorized
from comfywire.service.access.keys import Access
from comfywire.service.access.sessions import LIFETIME, MOST, Sessions
from comfywire.service.database.pool import Database


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Process:
    """One process of the service: what it looked up it trusts for a while."""

    def __init__(self, database: Database, *, keys_required: bool = True) -> None:
        self.clock = Clock()
        self.access = Access(database, keys_required=keys_required, clock=self.clock)
        self.sessions = Sessions(database, self.access, clock=self.clock)

    async def opens(self, *tokens: str) -> list[bool]:
        return [await self._opens(token) for token in tokens]

    async def _opens(self, token: str) -> bool:
        try:
            await self.sessions.caller(token)
        except Unauthorized:
            return False
        return True


@pytest.fixture
def here(database: Database) -> Process:
    return Process(database)


@pytest.fixture
def elsewhere(database: Database) -> Process:
    return Process(database)


async def _past(database: Database, seconds: float) -> None:
    """Let so much time go by for the database."""
    ago = "make_interval(secs => %(seconds)s::float8)"
    await database.do(f"UPDATE sessions SET expires_at = expires_at - {ago}", seconds=seconds)
    await database.do(f"UPDATE keys SET previous_until = previous_until - {ago}", seconds=seconds)


async def test_a_rotation_ends_the_sessions_of_the_old_secret(here: Process, elsewhere: Process) -> None:
    record, secret = await here.access.create("one", ["read"])
    other, another = await here.access.create("two", ["read"])
    token, kept = await here.sessions.begin(record.id, secret), await here.sessions.begin(other.id, another)
    assert await here.opens(token, kept) == await elsewhere.opens(token, kept) == [True, True]

    _, new = await here.access.rotate(record.id)

    assert await here.opens(token, kept) == [False, True]
    elsewhere.clock.now += CACHED
    assert await elsewhere.opens(token, kept) == [False, True]
    assert await here.opens(await here.sessions.begin(record.id, new)) == [True]


async def test_with_a_grace_they_end_when_it_ends(here: Process, database: Database) -> None:
    record, secret = await here.access.create("one", ["read"])
    before = await here.sessions.begin(record.id, secret)
    _, new = await here.access.rotate(record.id, grace=3600)
    with_old, with_new = [await here.sessions.begin(record.id, one) for one in (secret, new)]
    assert await here.opens(before, with_old, with_new) == [True, True, True]

    await _past(database, 3601)
    here.clock.now += CACHED

    assert await here.opens(before, with_old, with_new) == [False, False, True]


async def test_a_second_rotation_ends_those_of_the_first_secret_at_once(here: Process) -> None:
    record, first = await here.access.create("one", ["read"])
    of_first = await here.sessions.begin(record.id, first)
    _, second = await here.access.rotate(record.id, grace=3600)
    of_second = await here.sessions.begin(record.id, second)

    await here.access.rotate(record.id, grace=60)

    assert await here.opens(of_first, of_second) == [False, True]


async def test_no_session_begins_with_a_secret_that_was_rotated(here: Process) -> None:
    record, secret = await here.access.create("one", ["read"])
    await here.access.rotate(record.id)

    with pytest.raises(Unauthorized, match="rotated"):
        await here.sessions.begin(record.id, secret)


async def test_revoking_and_expiry_end_them_too(here: Process, database: Database) -> None:
    revoked, secret = await here.access.create("one", ["read"])
    expired, other = await here.access.create("two", ["read"], expires_in=3600)
    tokens = [await here.sessions.begin(revoked.id, secret), await here.sessions.begin(expired.id, other)]
    assert await here.opens(*tokens) == [True, True]

    await here.access.revoke(revoked.id)
    await database.do("UPDATE keys SET expires_at = now() WHERE id = %(id)s", id=expired.id)
    here.clock.now += CACHED

    assert await here.opens(*tokens) == [False, False]
    assert [row["key_id"] for row in await database.all("SELECT key_id FROM sessions")] == [expired.id]


async def test_scopes_count_as_they_are_now(here: Process, database: Database) -> None:
    record, secret = await here.access.create("one", ["admin"])
    token = await here.sessions.begin(record.id, secret)
    assert (await here.sessions.caller(token)).may("admin")

    await database.do("UPDATE keys SET scopes = '{read}' WHERE id = %(id)s", id=record.id)
    here.clock.now += CACHED

    assert not (await here.sessions.caller(token)).may("admin")


async def test_a_key_has_so_many_sessions_and_the_oldest_goes(here: Process, database: Database) -> None:
    record, secret = await here.access.create("one", ["read"])
    other, another = await here.access.create("two", ["read"])
    kept = await here.sessions.begin(other.id, another)
    oldest, second = [await here.sessions.begin(record.id, secret) for _ in range(2)]
    many = "SELECT int4send(n), %(id)s, now() + interval '1 day' FROM generate_series(1, %(count)s) n"
    await database.do(f"INSERT INTO sessions (hash, key_id, expires_at) {many}", id=record.id, count=MOST - 2)

    newest = await here.sessions.begin(record.id, secret)

    assert await here.opens(oldest, second, newest, kept) == [False, True, True, True]


async def test_what_has_expired_is_swept_when_another_begins(here: Process, database: Database) -> None:
    record, secret = await here.access.create("one", ["read"])
    await here.sessions.begin(record.id, secret)
    await _past(database, LIFETIME + 1)

    await here.sessions.begin(record.id, secret)

    assert await database.all("SELECT count(*) AS n FROM sessions") == [{"n": 1}]


async def test_where_no_keys_are_required_any_word_begins_one(database: Database) -> None:
    desk = Process(database, keys_required=False)
    caller = await desk.access.caller("a word")

    assert await desk.opens(await desk.sessions.begin(caller.key_id, "a word")) == [True]
