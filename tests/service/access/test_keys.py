import asyncio
import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.service.held import Held

from comfywire.service.access.callers import CACHED, LOCAL, Caller, Forbidden, Unauthorized
from comfywire.service.access.keys import Access, KeyNotFound
from comfywire.service.access.reach import PublicWithoutKeys, must_be_safe
from comfywire.service.database.pool import Database
from comfywire.service.settings import Settings


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def access(database: Database, clock: Clock) -> Access:
    return Access(database, clock=clock)


async def test_a_key_opens_as_whom_it_was_made_for(access: Access) -> None:
    record, secret = await access.create("web shop", ["read", "submit"], rate_per_minute=60)

    caller = await access.caller(secret)

    assert caller == Caller(record.id, "web shop", frozenset({"submit", "read"}), 60)


async def test_a_secret_is_random_and_shows_its_beginning(access: Access) -> None:
    one, secret = await access.create("one", ["read"])
    _, other = await access.create("two", ["read"])

    assert secret.startswith("cw_")
    assert len(secret) >= 46
    assert secret != other
    assert one.prefix == secret[:8]


async def test_no_secret_is_in_the_database_nor_in_what_a_key_shows(
    access: Access, database: Database
) -> None:
    _, secret = await access.create("one", ["read"])
    _, second = await access.rotate((await access.list())[0].id, grace=60)

    stored = await database.all("SELECT keys::text AS text FROM keys")

    shown = str(stored) + repr(await access.list()) + repr(await access.caller(second))
    assert secret[8:] not in shown
    assert second[8:] not in shown


@pytest.mark.parametrize(
    "secret", [None, "", "cw_wrong", "something"], ids=["none", "empty", "wrong", "word"]
)
async def test_who_has_no_key_that_opens_is_unauthorized(access: Access, secret: str | None) -> None:
    with pytest.raises(Unauthorized):
        await access.caller(secret)


async def test_an_expired_key_opens_nothing(access: Access, database: Database) -> None:
    record, secret = await access.create("one", ["read"], expires_in=3600)
    assert await access.caller(secret)
    await database.do(
        "UPDATE keys SET expires_at = now() - interval '1 second' WHERE id = %(id)s", id=record.id
    )

    with pytest.raises(Unauthorized, match="has expired"):
        await Access(database).caller(secret)


async def test_a_key_is_not_remembered_beyond_its_expiry(access: Access, clock: Clock) -> None:
    _, secret = await access.create("one", ["read"], expires_in=0.2)
    await access.caller(secret)
    hashed = hashlib.sha256(secret.encode()).digest()
    assert access._known.get(hashed) is not None

    clock.now += 0.3  # far less than keys are remembered for

    assert access._known.get(hashed) is None


async def test_a_revoked_key_opens_nothing_here_at_once(access: Access) -> None:
    record, secret = await access.create("one", ["read"])
    await access.caller(secret)

    await access.revoke(record.id)

    with pytest.raises(Unauthorized, match="was revoked"):
        await access.caller(secret)


def is_look_up(values: Mapping[str, Any]) -> bool:
    return "hash" in values and "name" not in values


async def test_a_look_up_under_way_does_not_undo_that_a_key_was_revoked(database: Database) -> None:
    async with Held(database.url, is_look_up) as held:
        access = Access(held)
        record, secret = await access.create("a", ["read"])
        looking = asyncio.create_task(access.caller(secret))
        await held.asked.wait()

        await access.revoke(record.id)
        held.go_on.set()
        await looking  # it came before

        with pytest.raises(Unauthorized, match="was revoked"):
            await access.caller(secret)


async def test_a_key_that_another_process_revoked_opens_for_seconds_at_most(
    access: Access, clock: Clock, database: Database
) -> None:
    record, secret = await access.create("one", ["read"])
    await access.caller(secret)
    await Access(database).revoke(record.id)

    clock.now += CACHED

    with pytest.raises(Unauthorized):
        await access.caller(secret)


async def test_a_known_key_costs_the_database_nothing_for_seconds(access: Access, database: Database) -> None:
    _, secret = await access.create("one", ["read"])
    caller = await access.caller(secret)
    await database.do("DELETE FROM keys")

    assert await access.caller(secret) == caller


async def test_a_rotated_key_opens_with_its_new_secret_only(access: Access) -> None:
    record, old = await access.create("one", ["read"])
    await access.caller(old)

    rotated, new = await access.rotate(record.id)

    assert (await access.caller(new)).key_id == record.id == rotated.id
    with pytest.raises(Unauthorized):
        await access.caller(old)


async def test_a_rotated_key_opens_with_its_old_secret_during_its_grace(
    access: Access, clock: Clock, database: Database
) -> None:
    record, old = await access.create("one", ["read"])
    await access.rotate(record.id, grace=3600)
    assert (await access.caller(old)).key_id == record.id

    await database.do("UPDATE keys SET previous_until = now()")
    clock.now += CACHED

    with pytest.raises(Unauthorized):
        await access.caller(old)


async def test_revoking_ends_the_grace_of_an_old_secret(access: Access) -> None:
    record, old = await access.create("one", ["read"])
    await access.rotate(record.id, grace=3600)

    await access.revoke(record.id)

    with pytest.raises(Unauthorized):
        await access.caller(old)


async def test_a_revoked_key_is_not_rotated(access: Access) -> None:
    record, _ = await access.create("one", ["read"])
    await access.revoke(record.id)

    with pytest.raises(KeyNotFound):
        await access.rotate(record.id)


@pytest.mark.parametrize("key_id", [uuid.UUID(int=1), LOCAL], ids=["unknown", "local"])
async def test_what_is_no_key_of_somebodys_is_neither_rotated_nor_revoked(
    access: Access, key_id: uuid.UUID
) -> None:
    await access.local_key()

    with pytest.raises(KeyNotFound):
        await access.rotate(key_id)
    with pytest.raises(KeyNotFound):
        await access.revoke(key_id)


async def test_the_last_use_is_written_once_a_minute(
    access: Access, clock: Clock, database: Database
) -> None:
    record, secret = await access.create("one", ["read"])
    await access.caller(secret)
    first = (await access.get(record.id)).last_used_at
    clock.now += CACHED
    await access.caller(secret)
    assert (await access.get(record.id)).last_used_at == first

    await database.do("UPDATE keys SET last_used_at = now() - interval '61 seconds'")
    clock.now += CACHED
    await access.caller(secret)

    now = (await access.get(record.id)).last_used_at
    assert first is not None
    assert now is not None
    assert now > first


@pytest.mark.parametrize("secret", [None, "a placeholder"])
async def test_everybody_is_local_where_no_keys_are_required(database: Database, secret: str | None) -> None:
    access = Access(database, keys_required=False)

    caller = await access.caller(secret)

    assert (caller.key_id, caller.name) == (LOCAL, "local")
    assert caller.may("admin")
    assert await access.list() == []


async def test_a_key_is_checked_even_where_none_is_required(database: Database) -> None:
    access = Access(database, keys_required=False)
    record, secret = await access.create("one", ["read"])

    assert (await access.caller(secret)).key_id == record.id
    with pytest.raises(Unauthorized):
        await access.caller("cw_wrong")


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        ("submit", "submit"),
        ("read", "read"),
        ("submit read", "submit read"),
        ("admin", "submit read admin"),
    ],
)
def test_a_key_may_what_its_scopes_say(scopes: str, may: str) -> None:
    caller = Caller(LOCAL, "one", frozenset(scopes.split()))

    assert {scope for scope in ("submit", "read", "admin") if caller.may(scope)} == set(may.split())


def test_who_lacks_a_scope_is_told_which() -> None:
    with pytest.raises(Forbidden, match="key 'one' lacks the scope 'admin'"):
        Caller(LOCAL, "one", frozenset({"read"})).must("admin")


@pytest.mark.parametrize("scopes", [[], ["everything"]], ids=["none", "unknown"])
async def test_a_key_for_nothing_that_exists_is_not_made(access: Access, scopes: list[str]) -> None:
    with pytest.raises(ValueError, match="choose from submit, read, admin"):
        await access.create("one", scopes)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_loopback_is_safe_without_keys(host: str) -> None:
    must_be_safe(Settings(data=Path(), host=host))


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.168.1.5", "gpu.example.org", "localhost.example.org"]
)
def test_a_public_address_without_keys_is_refused(host: str) -> None:
    with pytest.raises(PublicWithoutKeys, match="require keys"):
        must_be_safe(Settings(data=Path(), host=host))

    must_be_safe(Settings(data=Path(), host=host, keys_required=True))
