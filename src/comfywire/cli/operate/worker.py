"""``comfywire worker``: a process that runs jobs on the ComfyUIs near it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

from comfywire.cli.connection import debug_option, wait_for
from comfywire.cli.operate.service_options import settings_of, worker_options
from comfywire.cli.signals import STOPPING, called_on

if TYPE_CHECKING:
    from comfywire.service.settings import Settings

__all__ = ["stop_signals", "worker"]


@click.command(short_help="Run the job service's jobs on the ComfyUIs near it.")
@click.option(
    "--health-port",
    type=click.IntRange(0, 65535),
    envvar="COMFYWIRE_HEALTH_PORT",
    help="Answer GET /healthz and /readyz on this port, on all interfaces, as Kubernetes asks them.",
)
@worker_options
@debug_option
def worker(*, health_port: int | None, **options: Any) -> None:
    """Run jobs of the service until it is told to stop (SIGTERM or Ctrl-C).

    They run on the ComfyUIs that --server names, and on those that are added on the page or over the API.
    At the end it takes no more, waits for what runs, and hands over what is left. Any number of workers
    share one database; one that dies is taken over from within seconds.
    """
    settings = settings_of(options)
    from comfywire.service.event_loop import new_event_loop  # noqa: PLC0415

    wait_for(_work(settings, health_port), loop_factory=new_event_loop)


async def _work(settings: Settings, health_port: int | None) -> None:
    from comfywire.service.core import open_core  # noqa: PLC0415
    from comfywire.service.event_loop import spare_the_collector  # noqa: PLC0415
    from comfywire.service.worker.health import answering  # noqa: PLC0415
    from comfywire.service.worker.worker import Worker  # noqa: PLC0415

    with stop_signals() as stop:
        async with open_core(settings) as core, AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            worker = Worker(
                settings,
                core.store,
                assets=core.assets,
                store_check=core.store_check,
                sealer=core.sealer,
                hooks=core.hooks,
                relay=core.relay,
            )
            spare_the_collector()
            if health_port is not None:

                def is_ready() -> bool:
                    return worker.is_ready and core.store_check.is_good()

                await stack.enter_async_context(answering(health_port, is_ready))
            telling = group.create_task(core.webhooks.run(), name="comfywire webhooks")
            click.echo(f"worker {worker.name} runs jobs on {_places(worker.urls)}")
            await worker.run(stop)
            telling.cancel()
    click.echo("stopped")


def _places(urls: Sequence[str]) -> str:
    return ", ".join(urls) or "ComfyUIs that are added on the page or over the API"


@contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """Give an event that SIGTERM and SIGINT set; a second signal ends the process at once, as usual."""
    stop = asyncio.Event()
    with ExitStack() as listening:

        def ask() -> None:
            stop.set()
            listening.close()

        listening.enter_context(called_on(STOPPING, ask))
        yield stop
