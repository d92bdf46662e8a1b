"""What ``comfywire serve`` does once it is open: it answers at its addresses, and runs jobs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from comfywire.service.core import Core
    from comfywire.service.handover import ListeningPlace
    from comfywire.service.http_server import HttpServer
    from comfywire.service.settings import NativeAddress

__all__ = ["answering", "host_in_url", "native_answering", "work"]


@contextlib.asynccontextmanager
async def answering(
    core: Core, app: Any, place: ListeningPlace, on_stop: Callable[[], None], stop: Callable[[], None]
) -> AsyncIterator[HttpServer]:
    """Answer at an address until the next process does, and go on with what is open there.

    Args:
        core: The service.
        app: Answers.
        place: The address.
        on_stop: Called at the end, before open answers have their last few seconds.
        stop: Called when the next process wants this one to stop.

    """
    from comfywire.service.http_server import serving  # noqa: PLC0415

    with contextlib.closing(place):
        async with (
            serving(app, place.listener, on_stop) as server,
            place.held(server, core.is_leaving, stop),
        ):
            yield server


@contextlib.asynccontextmanager
async def native_answering(
    core: Core, app: Any, address: NativeAddress, stop: Callable[[], None], *, takes_over: bool
) -> AsyncIterator[HttpServer]:
    """Serve ComfyUI's own API at an address of one key's."""
    from comfywire.service.handover import place_at  # noqa: PLC0415
    from comfywire.service.native.addresses import OneKey  # noqa: PLC0415

    key = await core.access.find(address.key)
    there = replace(core.settings, host=address.host, port=address.port)
    async with (
        place_at(there, takes_over=takes_over) as place,
        answering(core, OneKey(app, key.id, there), place, lambda: None, stop) as server,
    ):
        where = f"http://{host_in_url(address.host)}:{place.listener.getsockname()[1]}"
        click.echo(f"  For programs without a key: {where} is ComfyUI's own API as {key.name!r}")
        yield server


async def work(core: Core, servers: Sequence[HttpServer], stop: asyncio.Event, *, runs_jobs: bool) -> None:
    """Run jobs and tell webhooks until the process is told to stop, and nobody waits for it any more."""
    from comfywire.service.leaving import see_out  # noqa: PLC0415
    from comfywire.service.worker.worker import Worker  # noqa: PLC0415

    async with asyncio.TaskGroup() as group:
        telling = group.create_task(core.webhooks.run(), name="comfywire webhooks")
        async with asyncio.TaskGroup() as until_left:
            if runs_jobs:
                worker = Worker(
                    core.settings,
                    core.store,
                    assets=core.assets,
                    store_check=core.store_check,
                    sealer=core.sealer,
                    hooks=core.hooks,
                    relay=core.relay,
                )
                until_left.create_task(worker.run(stop), name="comfywire worker")
            await stop.wait()
            await see_out(core, servers)
        telling.cancel()


def host_in_url(host: str) -> str:
    """Return an address as it stands in a URL, by which this machine reaches it."""
    return f"[{host}]" if ":" in host else {"0.0.0.0": "127.0.0.1", "": "127.0.0.1"}.get(host, host)  # noqa: S104
