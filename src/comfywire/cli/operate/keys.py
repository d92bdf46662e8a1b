"""``comfywire keys``: who may use the job service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from comfywire.cli.connection import debug_option, wait_for
from comfywire.cli.durations import duration, running_time
from comfywire.cli.groups import Group
from comfywire.cli.json_lines import print_json
from comfywire.cli.operate.database import database_options, database_words
from comfywire.cli.options import json_option

if TYPE_CHECKING:
    from comfywire.service.access.keys import Access, KeyRecord

__all__ = ["keys"]

Value = TypeVar("Value")
COLUMNS = ("id", "name", "begins with", "for", "state", "last used")
NEW = (
    "a new database was made in {}: if your service has another one, name its folder with --data, or its "
    "PostgreSQL with --database-url"
)

_key = click.argument("key", metavar="KEY")


@click.group(cls=Group, short_help="Make and withdraw API keys of the job service.")
@debug_option
def keys() -> None:
    """Make, list, rotate and revoke the API keys of the job service.

    They work on the service's database directly, so that the first key can be made before anybody has one.
    KEY is a key's id, or its name.
    """


@keys.command(short_help="Make a key.")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["submit", "read", "admin", "native"]),
    default=("submit", "read"),
    show_default=True,
    help="What it is for; repeat it for more. admin may do everything.",
)
@click.option(
    "--expires", type=duration, metavar="TIME", help="When it ends by itself: 12h, 30d; else never."
)
@click.option("--max-queued", type=click.IntRange(1), metavar="N", help="Jobs that may wait.")
@click.option("--max-running", type=click.IntRange(1), metavar="N", help="Jobs that may run at a time.")
@click.option("--run-timeout", type=running_time, metavar="TIME", help="How long each of its jobs may run.")
@click.option("--rate", type=click.IntRange(1), metavar="N", help="Requests a minute.")
@click.option("--webhook", metavar="URL", help="Tell this address of its jobs and batches that name none.")
@json_option
@database_options
@debug_option
def create(
    *,
    name: str,
    scopes: tuple[str, ...],
    expires: float | None,
    max_queued: int | None,
    max_running: int | None,
    run_timeout: float | None,
    rate: int | None,
    webhook: str | None,
    as_json: bool,
    data: Path,
    database_url: str | None,
) -> None:
    """Make a key called NAME, and print its secret (cw_...), which is shown this once."""
    if not name.strip():
        raise click.UsageError("a key needs a name by which you will know it")
    limits = {
        "max_queued": max_queued,
        "max_running": max_running,
        "rate_per_minute": rate,
    }

    async def work(access: Access) -> tuple[KeyRecord, str]:
        _must_be_webhook_url(webhook)
        return await access.create(
            name, scopes, expires_in=expires, run_timeout=run_timeout, webhook_url=webhook, **limits
        )

    made = _with_access(data, database_url, work, makes_database=True)
    _print_secret(*made, as_json=as_json)


@keys.command("list", short_help="List the keys.")
@json_option
@database_options
@debug_option
def list_keys(*, as_json: bool, data: Path, database_url: str | None) -> None:
    """List all keys, oldest first, also those that open nothing any more."""
    found = _with_access(data, database_url, lambda access: access.list())
    if as_json:
        print_json([_as_json(key) for key in found])
        return
    from comfywire.cli.terminal import print_table  # noqa: PLC0415 - imports the client and rich

    now = datetime.now(UTC)
    print_table(COLUMNS, [_row(key, now) for key in found])
    if not found:
        there = database_words(data, database_url)
        click.echo(f"no keys yet: `comfywire keys create NAME{there}` makes one", err=True)


@keys.command(short_help="Give a key another secret.")
@_key
@click.option(
    "--grace", type=duration, metavar="TIME", help="How long the old one still opens: 1h; else not."
)
@json_option
@database_options
@debug_option
def rotate(*, key: str, grace: float | None, as_json: bool, data: Path, database_url: str | None) -> None:
    """Give KEY another secret, and print it. The old one opens nothing more, within seconds."""

    async def work(access: Access) -> tuple[KeyRecord, str]:
        return await access.rotate((await access.find(key)).id, grace=grace or 0.0)

    _print_secret(*_with_access(data, database_url, work), as_json=as_json)


@keys.command(short_help="Set the address that is told of a key's jobs.")
@_key
@click.argument("url", required=False)
@click.option("--none", "has_none", is_flag=True, help="Remove the address instead.")
@json_option
@database_options
@debug_option
def webhook(
    *, key: str, url: str | None, has_none: bool, as_json: bool, data: Path, database_url: str | None
) -> None:
    """Set the address that is told of KEY's jobs and batches that name none of their own.

    Whatever address of KEY was switched off, since no try succeeded for three days, is on again.
    """
    if (url is None) != has_none:
        raise click.UsageError("give a URL, or --none to remove the one that is there")

    async def work(access: Access) -> KeyRecord:
        _must_be_webhook_url(url)
        return await access.set_webhook_url((await access.find(key)).id, url)

    changed = _with_access(data, database_url, work)
    if as_json:
        print_json(_as_json(changed))
    else:
        told = "nobody" if url is None else url
        click.echo(f"key {changed.name!r} ({changed.id}) tells {told} of jobs that name no address")


@keys.command(short_help="Withdraw a key.")
@_key
@json_option
@database_options
@debug_option
def revoke(*, key: str, as_json: bool, data: Path, database_url: str | None) -> None:
    """Let KEY open nothing more, within seconds. What it has submitted runs on."""

    async def work(access: Access) -> KeyRecord:
        return await access.revoke((await access.find(key)).id)

    revoked = _with_access(data, database_url, work)
    if as_json:
        print_json(_as_json(revoked))
    else:
        click.echo(f"key {revoked.name!r} ({revoked.id}) is revoked")


def _with_access(
    data: Path,
    database_url: str | None,
    work: Callable[[Access], Awaitable[Value]],
    *,
    makes_database: bool = False,
) -> Value:
    """Do ``work`` with the keys; a folder without a database gets one only if it ``makes_database``."""
    return wait_for(_working(data.absolute(), database_url, work, makes_database=makes_database))


async def _working(
    data: Path,
    database_url: str | None,
    work: Callable[[Access], Awaitable[Value]],
    *,
    makes_database: bool,
) -> Value:
    try:
        from comfywire.service.access.keys import Access  # noqa: PLC0415
        from comfywire.service.database.pool import Database  # noqa: PLC0415
        from comfywire.service.database.pooling import shares_sessions  # noqa: PLC0415
        from comfywire.service.migrate import is_current, migrate  # noqa: PLC0415
        from comfywire.service.postgres.embedded import NoDatabase, database_at, is_there, must_be_there  # noqa: PLC0415
    except ModuleNotFoundError as error:
        from comfywire.errors import MissingExtra  # noqa: PLC0415

        raise MissingExtra("the job service", "service") from error
    if database_url is None and not makes_database:
        must_be_there(data)
    is_new = database_url is None and not is_there(data)
    async with database_at(data, database_url) as url:
        if is_new:
            click.echo(NEW.format(data), err=True)
        if database_url is None:
            await migrate(url)
        prepares = database_url is None or not await shares_sessions(url)
        async with Database(url, size=1, prepares=prepares) as database:
            async with database.connection() as connection:
                if not await is_current(connection):
                    raise NoDatabase("the schema of --database-url is not up to date: `comfywire db upgrade`")
            return await work(Access(database))


def _must_be_webhook_url(url: str | None) -> None:
    from comfywire.service.webhooks.messages import must_be_webhook_url  # noqa: PLC0415 - needs the extra

    must_be_webhook_url(url)


def _print_secret(key: KeyRecord, secret: str, *, as_json: bool) -> None:
    if as_json:
        print_json({**_as_json(key), "secret": secret})
        return
    click.echo(
        f"key {key.name!r} ({key.id}) is for {', '.join(key.scopes)}; keep it, it is shown once", err=True
    )
    click.echo(secret)


def _row(key: KeyRecord, now: datetime) -> tuple[object, ...]:
    used = None if key.last_used_at is None else _moment(key.last_used_at)
    return key.id, key.name, key.prefix, " ".join(key.scopes), _state(key, now), used


def _state(key: KeyRecord, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked {_moment(key.revoked_at)}"
    state = "in use"
    if key.expires_at is not None:
        state = f"{'expired' if key.expires_at <= now else 'in use until'} {_moment(key.expires_at)}"
    off = key.webhook_disabled_at
    return state if off is None else f"{state}; webhooks off since {_moment(off)}"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _as_json(key: KeyRecord) -> dict[str, Any]:
    known = {name: getattr(key, name) for name in type(key).__slots__}
    return {
        name: value.isoformat() if isinstance(value, datetime) else list(value) if name == "scopes" else value
        for name, value in known.items()
    } | {"id": str(key.id)}
