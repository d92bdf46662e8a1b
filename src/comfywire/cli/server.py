"""``comfywire server``: a ComfyUI for first runs and for tests."""

from __future__ import annotations

import asyncio
import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .catalogues import read_object_info
from .connection import debug_option, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfywire.server import Server

__all__ = ["server"]

DEFAULT_PORT = 8189
"""Beside ComfyUI's 8188, so that both can run."""


def _loopback(ctx: click.Context, parameter: click.Parameter, host: str) -> str:
    del ctx, parameter
    address = "127.0.0.1" if host == "localhost" else host
    try:
        is_loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise click.BadParameter(
            f"{host} is not a loopback address, and this server asks nobody who they are; reach it through "
            "`ssh -L` or a proxy that does"
        )
    return address


@click.command(short_help="Start a test server.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Where to listen; 0 for any free port.",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, callback=_loopback, help="A loopback address."
)
@click.option(
    "--step-time",
    type=click.FloatRange(min=0),
    default=0.1,
    show_default=True,
    metavar="SECONDS",
    help="How long each step of a simulated sampler takes.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where input, output, temp and models are; by default a temporary folder.",
)
@click.option(
    "--profile",
    type=click.Choice(["0.3.64", "0.33.0"]),
    default="0.3.64",
    show_default=True,
    help="The version of ComfyUI to answer as.",
)
@click.option(
    "--nodes",
    "nodes_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.py",
    help="Python file with node classes of your own; it is run.",
)
@click.option(
    "--object-info",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What a real server's /object_info answered: its other node types are stood in for.",
)
@click.option("--faults", is_flag=True, help="Let POST /comfywire/faults make things go wrong.")
@debug_option
def server(
    *,
    port: int,
    host: str,
    step_time: float,
    folder: Path | None,
    profile: str,
    nodes_file: Path | None,
    object_info: Path | None,
    faults: bool,
) -> None:
    """Start a test server that speaks ComfyUI's API. It needs no GPU and no models.

    Text-to-image is simulated: what it draws are placeholders that say so. Ctrl-C stops it.
    """
    from comfywire.server import serve_forever  # noqa: PLC0415

    options: dict[str, Any] = {"step_time": step_time, "folder": folder, "profile": profile}
    options |= {"nodes": _nodes(nodes_file), "object_info": _object_info(object_info)}
    try:
        wait_for(serve_forever(on_start=_announce, host=host, port=port, faults_over_http=faults, **options))
    except OSError as error:
        words = f"cannot listen on {host} port {port}: {error.strerror}; choose another --port, or 0"
        raise click.UsageError(words) from error
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("stopped", err=True)


def _nodes(path: Path | None) -> Mapping[str, Any]:
    from comfywire.server import load_nodes  # noqa: PLC0415

    try:
        return {} if path is None else load_nodes(path)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--nodes") from error


def _object_info(path: Path | None) -> Mapping[str, Any]:
    return {} if path is None else read_object_info(path)


def _announce(running: Server) -> None:
    click.echo(f"Comfywire's test server is ready at {running.url}")
    click.echo("  It speaks ComfyUI's API; text-to-image is simulated, pictures are placeholders.")
    click.echo(f"  Its files are in {running.folder}")
    click.echo(f"  Run something: comfywire run workflow_api.json --server {running.url}")
    click.echo("  Ctrl-C stops it.")
