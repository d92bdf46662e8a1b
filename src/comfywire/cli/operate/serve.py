"""``comfywire serve``: the job service, all of it in one process, or its HTTP API alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from comfywire.cli.calling import own_name
from comfywire.cli.connection import debug_option, wait_for
from comfywire.cli.durations import duration
from comfywire.cli.jobs.service import DEFAULT_SERVICE
from comfywire.cli.operate.database import database_words
from comfywire.cli.operate.demo_servers import demo_servers
from comfywire.cli.operate.demo_workflow import DEMO_WORKFLOW, introduce_demo
from comfywire.cli.operate.service_options import settings_of, worker_options
from comfywire.cli.operate.serving import answering, host_in_url, native_answering, work
from comfywire.cli.operate.setting import setting
from comfywire.cli.operate.worker import stop_signals

if TYPE_CHECKING:
    from comfywire.service.core import Core
    from comfywire.service.settings import NativeAddress, Settings

__all__ = ["serve"]

DEFAULT_PORT = 8190


def retention(text: str) -> float | None:
    """Return how many seconds something is kept; None is for ever, which is written ``forever``.

    Raises:
        click.BadParameter: It is neither a length of time nor that word.

    """
    return None if text == "forever" else duration(text)


def native_address(text: str) -> NativeAddress:
    """Read the value of ``--native-listen``.

    Raises:
        click.BadParameter: It is not of the form ``ADDRESS:PORT=KEY``.

    """
    from comfywire.service.settings import NativeAddress  # noqa: PLC0415

    try:
        return NativeAddress.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def home_server(ctx: click.Context, parameter: click.Parameter, url: str | None) -> str | None:
    """Refuse what is no address of a ComfyUI, for ``--native-home``.

    Raises:
        click.BadParameter: It is none.

    """
    del ctx, parameter
    if url is not None and not (url.startswith(("http://", "https://")) and urlsplit(url).hostname):
        raise click.BadParameter(f"{url!r} is no address of a ComfyUI: write http://127.0.0.1:8188, say")
    return url


@click.command(short_help="Serve the job service: a durable queue in front of your ComfyUIs.")
@setting(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    help="Where to listen.",
)
@setting(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    default=DEFAULT_PORT,
    help="The port to listen on; 0 takes a free one.",
)
@setting(
    "--keys",
    "keys_required",
    is_flag=True,
    help="Let in only who has a key (`comfywire keys create`); a public --host insists.",
)
@setting(
    "--max-queued",
    type=click.IntRange(1),
    metavar="N",
    default=10_000,
    help="Jobs of one key that may wait.",
)
@setting(
    "--rate-per-minute",
    type=click.IntRange(1),
    metavar="N",
    help="Requests of one key a minute; as many as it likes by default.",
)
@setting(
    "--max-streams",
    type=click.IntRange(1),
    metavar="N",
    default=2_000,
    help="Streams of events that one key may have open.",
)
@setting(
    "--max-upload-bytes",
    type=click.IntRange(1),
    metavar="N",
    default=2 << 30,
    show_default="2 GiB",
    help="The largest upload, and the largest input by URL.",
)
@setting(
    "--max-body-bytes",
    type=click.IntRange(1),
    metavar="N",
    default=32 << 20,
    show_default="32 MiB",
    help="The largest request that is no upload: its workflow, and files in base64.",
)
@setting(
    "--max-nodes",
    type=click.IntRange(1),
    metavar="N",
    default=5_000,
    help="Nodes that one workflow may have.",
)
@setting(
    "--url-lifetime",
    type=duration,
    metavar="TIME",
    default="1h",
    help="How long a link to an asset's bytes is good without a key: 15m, 7d.",
)
@setting(
    "--redirect-downloads",
    is_flag=True,
    help="Answer downloads with a link into the asset store, where that makes some (S3).",
)
@setting(
    "--job-retention",
    type=duration,
    metavar="TIME",
    default="7d",
    help="How long an ended job and its outputs are kept: 12h, 30d.",
)
@setting(
    "--asset-retention",
    type=retention,
    metavar="TIME",
    default="7d",
    help="How long an upload is kept unless it says so itself: 12h, 30d, forever.",
)
@setting(
    "--cors-origin",
    "cors_origins",
    multiple=True,
    metavar="ORIGIN",
    help="Web pages of this origin may call the API; repeat it for more.",
)
@setting(
    "--openai-default",
    metavar="NAME",
    help="The registered workflow for models of OpenAI's API that nobody knows; else they are not found.",
)
@setting(
    "--mcp-wait",
    type=click.FloatRange(0, 3600, min_open=True),
    metavar="SECONDS",
    default=50.0,
    help="How long a call of an agent (MCP) waits for its job; then it is told how to ask again.",
)
@setting(
    "--mcp-inline-bytes",
    type=click.IntRange(0, 16 << 20),
    metavar="N",
    default=1 << 20,
    show_default="1 MiB",
    help="The largest picture in an answer to an agent, made smaller for that; 0 sends links alone.",
)
@setting(
    "--native-listen",
    multiple=True,
    type=native_address,
    metavar="ADDRESS=KEY",
    help="Listen at ADDRESS (127.0.0.1:8188) as well, for ComfyUI's own API as this key: for programs that "
    "can send none. Repeat it for more.",
)
@setting(
    "--native-anywhere",
    is_flag=True,
    help="Let --native-listen name addresses that others reach.",
)
@setting(
    "--native-home",
    metavar="URL",
    callback=home_server,
    help="The ComfyUI whose node packs' own routes and browser scripts are passed on; what changes anything, "
    "to keys of scope admin alone.",
)
@setting(
    "--editor",
    is_flag=True,
    help="Serve ComfyUI's own editor at /editor/: install comfyui-frontend-package beside this for it.",
)
@click.option(
    "--take-over",
    "takes_over",
    is_flag=True,
    help="Take the place of the service that is at this address, if one is: it is told to stop, and nobody "
    "is refused meanwhile. Linux alone can do it.",
)
@click.option("--no-workers", is_flag=True, help="Serve the API alone: `comfywire worker` runs the jobs.")
@click.option("--demo", is_flag=True, help="Start two test servers to run jobs on; no ComfyUI is needed.")
@worker_options
@debug_option
def serve(*, takes_over: bool, no_workers: bool, demo: bool, **options: Any) -> None:
    """Serve the job service until it is told to stop (SIGTERM or Ctrl-C).

    Jobs are kept in a PostgreSQL that it starts in --data, or in your own. It speaks the Comfy API v2: the
    official comfy-sdk works with COMFY_BASE_URL set to its address. Secrets are encrypted with
    COMFYWIRE_SECRET, or with a file in --data.

    To look at it without a ComfyUI: `comfywire serve --demo`.
    """
    settings = settings_of(options)
    if demo and no_workers:
        raise click.UsageError("--demo needs a worker: leave --no-workers out")
    from comfywire.service.event_loop import new_event_loop  # noqa: PLC0415

    serving = _serve(settings, takes_over=takes_over, runs_jobs=not no_workers, demo=demo)
    wait_for(serving, loop_factory=new_event_loop)


async def _serve(settings: Settings, *, takes_over: bool, runs_jobs: bool, demo: bool) -> None:
    from comfywire.service.access.reach import must_be_own, must_be_safe  # noqa: PLC0415
    from comfywire.service.core import open_core  # noqa: PLC0415
    from comfywire.service.event_loop import spare_the_collector  # noqa: PLC0415
    from comfywire.service.faces import create_app  # noqa: PLC0415
    from comfywire.service.handover import place_at  # noqa: PLC0415
    from comfywire.service.native.editor.page import must_be_there  # noqa: PLC0415

    must_be_safe(settings)
    must_be_own(settings)
    must_be_there(settings)
    with stop_signals() as stop:
        async with (
            place_at(settings, takes_over=takes_over) as place,
            contextlib.AsyncExitStack() as stack,
        ):
            servers = await stack.enter_async_context(demo_servers(settings.data)) if demo else None
            if servers is not None:
                settings = replace(settings, servers=(*settings.servers, *servers.urls))
            core = await stack.enter_async_context(open_core(settings))
            if servers is not None:
                await servers.settle(core.database)
            app = create_app(core)
            spare_the_collector()
            first = answering(core, app, place, core.broker.close, stop.set)
            doors = [await stack.enter_async_context(first)]
            await _announce(core, place.listener.getsockname()[1], runs_jobs=runs_jobs, demo=demo)
            others = [
                native_answering(core, app, address, stop.set, takes_over=takes_over)
                for address in settings.native_listen
            ]
            doors += [await stack.enter_async_context(other) for other in others]
            await work(core, doors, stop, runs_jobs=runs_jobs)
    click.echo("stopped")


async def _announce(core: Core, port: int, *, runs_jobs: bool, demo: bool) -> None:
    settings = core.settings
    url = settings.base_url or f"http://{host_in_url(settings.host)}:{port}"
    click.echo(f"Comfywire's job service is ready at {url}")
    if demo:
        await introduce_demo(core)
    elif runs_jobs and not settings.servers:
        click.echo("  It has no ComfyUI yet: jobs wait. Name one with --server URL, or add one on its page")
    if settings.keys_required and not demo:
        there = database_words(settings.data, settings.database_url)
        click.echo(f"  Everybody needs a key: `{own_name()} keys create NAME{there}` makes one.")
    click.echo(f"  {_where(settings)}")
    click.echo(f"  Its page:       {url.rstrip('/')}/")
    if settings.editor:
        click.echo(f"  The editor:     {url.rstrip('/')}/editor/")
    for words, command in _commands(settings, url, demo=demo):
        click.echo(f"  {words:15} {command}")
    click.echo("  Ctrl-C stops it. Jobs are kept: what waits or runs is taken up again next time.")


def _where(settings: Settings) -> str:
    """What is kept where, without the addresses: they may have passwords in them."""
    data = str(settings.data.absolute())
    if settings.database_url is None and settings.assets_url is None:
        return f"Its data is in {data}"
    jobs = data if settings.database_url is None else "the PostgreSQL of --database-url"
    assets = data if settings.assets_url is None else "the store of --assets"
    return f"Its jobs are in {jobs}, their files in {assets}"


def _commands(settings: Settings, url: str, *, demo: bool) -> Iterator[tuple[str, str]]:
    """What to type in another terminal, and what for."""
    there = "" if url == DEFAULT_SERVICE else f" --service {url}"
    there += " --key cw_..." if settings.keys_required else ""
    workflow = settings.data / DEMO_WORKFLOW if demo else "workflow_api.json"
    yield "Run something:", f"{own_name()} submit {workflow} --out out{there}"
    yield "Watch it:", f"{own_name()} top{there}"
    yield "Official SDK:", f"COMFY_BASE_URL={url}"
