import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("procrastinate", reason="the job service needs the extra 'service'")

import asyncio

from comfywire.cli.main import main
from comfywire.service.access.callers import Caller, Unauthorized
from comfywire.service.access.keys import Access
from comfywire.service.database.pool import Database
from comfywire.service.migrate import migrate
from comfywire.service.postgres.embedded import Cluster

Keys = Callable[..., str]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    cluster = Cluster(tmp_path_factory.mktemp("postgres"))
    cluster.attach()
    try:
        yield cluster.url
    finally:
        cluster.detach()


@pytest.fixture
def url(postgres: str) -> str:
    """A database without keys."""
    asyncio.run(migrate(postgres))
    asyncio.run(forget_keys(postgres))
    return postgres


@pytest.fixture
def keys(url: str, capfd: pytest.CaptureFixture[str]) -> Keys:
    """Run `comfywire keys …`; what it prints."""

    def run(command: str, *arguments: str, status: int = 0) -> str:
        assert main(["keys", command, *arguments, "--database-url", url]) == status
        captured = capfd.readouterr()
        return captured.out if status == 0 else captured.err

    return run


async def forget_keys(url: str) -> None:
    async with Database(url, size=1) as database:
        await database.do("DELETE FROM keys")


def caller_of(url: str, secret: str) -> Caller:
    async def ask() -> Caller:
        async with Database(url, size=1) as database:
            return await Access(database).caller(secret.strip())

    return asyncio.run(ask())


def listed(keys: Keys) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(keys("list", "--json"))
    return found


def test_create_prints_the_secret_alone(keys: Keys, url: str) -> None:
    out = keys("create", "shop")

    assert out.startswith("cw_")
    assert len(out.split()) == 1
    assert caller_of(url, out).scopes == {"submit", "read"}


def test_create_takes_scopes_and_limits(keys: Keys, url: str) -> None:
    keys(
        *("create", "shop", "--scope", "read", "--scope", "admin", "--expires", "30d"),
        *("--max-queued", "5", "--max-running", "2", "--rate", "60"),
    )

    (key,) = listed(keys)
    assert key["scopes"] == ["read", "admin"]
    assert [key[name] for name in ("max_queued", "max_running", "rate_per_minute")] == [5, 2, 60]
    assert key["expires_at"] is not None


def test_create_says_json(keys: Keys) -> None:
    made = json.loads(keys("create", "shop", "--json"))

    assert made["secret"].startswith("cw_")
    assert [{**key, "secret": made["secret"]} for key in listed(keys)] == [made]


def test_list_shows_keys_without_their_secrets(keys: Keys) -> None:
    secret = keys("create", "shop").strip()
    keys("create", "old")
    keys("revoke", "old")

    out = keys("list")

    shop, old = [line.split("\t") for line in out.splitlines()]
    assert shop[1:] == ["shop", secret[:8], "submit read", "in use", ""]
    assert old[4].startswith("revoked 2")
    assert secret[8:] not in out


def test_rotate_gives_another_secret(keys: Keys, url: str) -> None:
    old = keys("create", "shop")

    new = keys("rotate", "shop")

    assert caller_of(url, new).name == "shop"
    with pytest.raises(Unauthorized):
        caller_of(url, old)


def test_rotate_leaves_the_old_secret_its_grace(keys: Keys, url: str) -> None:
    old = keys("create", "shop")

    keys("rotate", "shop", "--grace", "1h")

    assert caller_of(url, old).name == "shop"


def test_a_key_is_named_by_its_id_too(keys: Keys, url: str) -> None:
    secret = keys("create", "shop")
    (key,) = listed(keys)

    assert keys("revoke", key["id"]) == f"key 'shop' ({key['id']}) is revoked\n"
    with pytest.raises(Unauthorized):
        caller_of(url, secret)


def test_a_name_that_several_have_names_none(keys: Keys) -> None:
    keys("create", "shop")
    keys("create", "shop")

    said = keys("revoke", "shop", status=2)

    ids = [key["id"] for key in listed(keys)]
    assert f"several keys are called 'shop': name one by its id, {', '.join(ids)}" in said
    assert all(key["revoked_at"] is None for key in listed(keys))


def test_a_keys_webhook_address_is_given_changed_and_removed(keys: Keys) -> None:
    keys("create", "shop", "--webhook", "https://example.com/a")
    assert [key["webhook_url"] for key in listed(keys)] == ["https://example.com/a"]

    said = keys("webhook", "shop", "https://example.com/b")
    changed = json.loads(keys("webhook", "shop", "--none", "--json"))

    assert said.endswith("tells https://example.com/b of jobs that name no address\n")
    assert changed["webhook_url"] is None
    for arguments, words in (
        (["shop"], "give a URL, or --none"),
        (["shop", "https://example.com", "--none"], "give a URL, or --none"),
        (["shop", "ftp://x"], "webhook_url is not an HTTP URL"),
    ):
        assert words in keys("webhook", *arguments, status=2)


def test_list_says_that_webhooks_are_switched_off(keys: Keys, url: str) -> None:
    async def switch_off() -> None:
        async with Database(url, size=1) as database:
            await database.do("UPDATE keys SET webhook_disabled_at = '2026-01-02 03:04Z'")

    keys("create", "shop")
    asyncio.run(switch_off())

    assert "\tin use; webhooks off since 2026-01-02 03:04\t" in keys("list")


def test_no_keys_say_how_to_make_one(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "list", "--database-url", url]) == 0

    captured = capfd.readouterr()
    assert (captured.out, captured.err) == (
        "",
        "no keys yet: `comfywire keys create NAME --database-url ...` makes one\n",
    )


@pytest.mark.parametrize("arguments", [["list"], ["rotate", "shop"], ["revoke", "shop"]], ids=" ".join)
def test_looking_where_no_service_is_makes_none_and_says_what_to_do(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    empty = tmp_path / "empty"

    assert main(["keys", *arguments, "--data", str(empty)]) == 2

    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"comfywire: there is no service in {empty}: name its folder with --data")
    assert not empty.exists()


@pytest.mark.parametrize("command", ["rotate", "revoke"])
def test_a_key_that_is_not_there_is_one_line(keys: Keys, command: str) -> None:
    assert keys(command, "nobody", status=2).splitlines() == [
        "comfywire: there is no key 'nobody' that is in use: `comfywire keys list` has them all"
    ]


def test_an_old_schema_is_one_line(postgres: str, keys: Keys) -> None:
    async def forget_a_step() -> None:
        async with Database(postgres, size=1) as database:
            await database.do("UPDATE versions SET name = 'gone' WHERE name = '0030_keys.sql'")

    async def know_it_again() -> None:
        async with Database(postgres, size=1) as database:
            await database.do("UPDATE versions SET name = '0030_keys.sql' WHERE name = 'gone'")

    asyncio.run(forget_a_step())
    try:
        assert "`comfywire db upgrade`" in keys("list", status=2)
    finally:
        asyncio.run(know_it_again())


def test_keys_are_made_in_a_new_data_folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "create", "first", "--data", str(tmp_path)]) == 0
    first = capfd.readouterr()
    assert main(["keys", "list", "--data", str(tmp_path)]) == 0

    line = capfd.readouterr().out
    assert line.split("\t")[1:3] == ["first", first.out[:8]]
    assert f"a new database was made in {tmp_path}: if your service" in first.err


def test_a_second_key_of_a_folder_is_no_news_of_a_database(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("first", "second"):
        assert main(["keys", "create", name, "--data", str(tmp_path)]) == 0

    (first, _, second) = capfd.readouterr().err.splitlines()
    assert first.startswith("a new database was made in ")
    assert second.startswith("key 'second' ")
