"""How the service's processes are told what to do: the same options for `serve` and `worker`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from comfywire.cli.durations import running_time
from comfywire.cli.operate.database import database_options
from comfywire.cli.operate.setting import setting
from comfywire.errors import MissingExtra

if TYPE_CHECKING:
    from comfywire.service.settings import Settings

__all__ = ["settings_of", "worker_options"]


def _comfyuis(ctx: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what is no address now, and not when the service is up."""
    del ctx, parameter
    from comfywire.client import Client  # noqa: PLC0415 - an HTTP client costs 0.2 s to import
    from comfywire.service.settings import ServerAddress  # noqa: PLC0415 - of the extra

    for text in texts:
        try:
            Client(ServerAddress.parse(text).address)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return texts


def _http(ctx: click.Context, parameter: click.Parameter, url: str | None) -> str | None:
    """Refuse what is no address on the web."""
    del ctx, parameter
    if url is not None and not url.startswith(("http://", "https://")):
        raise click.BadParameter(f"{url!r} is no address; it begins with http:// or https://")
    return url


def _is_on(ctx: click.Context, parameter: click.Parameter, text: str) -> bool:
    del ctx, parameter
    return text == "on"


_OPTIONS = (
    setting(
        "--database-prepare",
        type=click.Choice(["on", "off"]),
        default="on",
        callback=_is_on,
        help="Off behind a pooler in transaction mode: nothing is prepared, or kept in a session.",
    ),
    setting(
        "--database-listen-url",
        metavar="URL",
        help="Where LISTEN works, if --database-prepare is off; without it, each process asks every second.",
    ),
    setting(
        "--server",
        "servers",
        multiple=True,
        metavar="URL[#TAG,slots=N]",
        callback=_comfyuis,
        help="A ComfyUI to run jobs on, with user:password@ or ?token= if it wants that; repeat it for more.",
    ),
    setting(
        "--assets",
        "assets_url",
        envvar="COMFYWIRE_ASSETS",
        metavar="URL",
        help="Where inputs and outputs are kept: s3://bucket/prefix, ...; a folder in --data by default.",
    ),
    setting(
        "--base-url",
        metavar="URL",
        callback=_http,
        help="How others reach the service, for links; by default as they asked, and paths in webhooks.",
    ),
    setting(
        "--slots",
        type=click.IntRange(1, 16),
        metavar="N",
        default=2,
        help="Jobs at a time on a ComfyUI that does not say slots=N: one runs, the others wait there.",
    ),
    setting(
        "--run-timeout",
        type=running_time,
        metavar="TIME",
        help="How long any job may run (90s, 2h, 30d at most); then it is ended. No limit by default.",
    ),
    setting(
        "--interrupt-grace",
        type=click.FloatRange(0, min_open=True),
        default=30.0,
        metavar="SECONDS",
        help="How long a ComfyUI has for letting go of a job that is to end; then it counts as stuck.",
    ),
    setting(
        "--max-output-bytes",
        type=click.IntRange(1),
        default=8 << 30,
        metavar="N",
        help="The largest file that is fetched from a ComfyUI.",
    ),
    setting(
        "--server-patience",
        type=click.FloatRange(1),
        default=300.0,
        metavar="SECONDS",
        help="How long a ComfyUI may be away before what it was running counts as lost.",
    ),
    setting(
        "--drain-timeout",
        type=click.FloatRange(0),
        default=30.0,
        metavar="SECONDS",
        help="How long a process that is told to stop waits for its jobs, which others then take over, and "
        "for programs of ComfyUI's own API that are connected.",
    ),
    setting(
        "--log-format",
        type=click.Choice(["plain", "json"]),
        default="plain",
        help="How it logs to standard error: for people, or a JSON object a line.",
    ),
    setting(
        "--hook-url",
        metavar="URL",
        callback=_http,
        help="Who is asked about each job and each output, and may refuse.",
    ),
    setting(
        "--hook-timeout",
        type=click.FloatRange(0, min_open=True),
        default=5.0,
        metavar="SECONDS",
        help="How long a hook has for its answer.",
    ),
    setting(
        "--hooks-fail-open",
        is_flag=True,
        help="Let pass what a hook gives no answer about; else it is stopped.",
    ),
    setting(
        "--webhook-timeout",
        type=click.FloatRange(0, min_open=True),
        default=15.0,
        metavar="SECONDS",
        help="How long a webhook's receiver has for its answer; then it is tried again later.",
    ),
    setting(
        "--max-asset-bytes",
        type=click.IntRange(1),
        metavar="N",
        help="What is kept, all together; beyond it the oldest that no job needs goes. No limit by default.",
    ),
    setting(
        "--allow-private-urls",
        is_flag=True,
        help="Let inputs and webhooks by URL reach this network and this machine.",
    ),
)


def worker_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of everything that runs jobs."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return database_options(command)


def settings_of(options: dict[str, Any]) -> Settings:
    """Return the settings that a command's options say, and log as they say; the rest are the defaults.

    Raises:
        MissingExtra: The service is not installed.

    """
    try:
        from comfywire.service.core import Core  # noqa: F401, PLC0415 (is everything there?)
        from comfywire.service.logs import configure  # noqa: PLC0415
        from comfywire.service.settings import Settings  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise MissingExtra("the job service", "service") from error
    configure(
        as_json=options["log_format"] == "json", level=logging.getLogger("comfywire").level or logging.INFO
    )
    known = {field.name for field in fields(Settings)}
    return Settings(**{name: value for name, value in options.items() if name in known})
