"""``comfywire server``: a ComfyUI for first runs and for tests."""

from __future__ import annotations

import asyncio
import socket
import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from comfywire.cli.catalogues import read_object_info
from comfywire.cli.connection import debug_option, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfywire.server import Server

__all__ = ["server"]

DEFAULT_PORT = 8189
"""Beside ComfyUI's 8188, so that both can run."""


@click.command(short_help="Start a test server.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Where to listen; 0 for any free port.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on; one that others can reach needs --token.",
)
@click.option(
    "--token",
    metavar="TOKEN",
    envvar="COMFYWIRE_TOKEN",
    show_envvar=True,
    help="Answer only who sends it, as a bearer token or as ?token=.",
)
@click.option("--open", "opens", is_flag=True, help="Show the queue and the last results in a browser.")
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
    help="What a real server's /object_info answered: its models are offered.",
)
@click.option(
    "--stub-missing/--no-stub-missing",
    default=True,
    show_default=True,
    help="Stand in for the node types of --object-info that are not here.",
)
@click.option(
    "--memory",
    type=click.FloatRange(min=0.1),
    default=4.0,
    show_default=True,
    metavar="GIB",
    help="How much a workflow may take; one that wants more fails. Linux only.",
)
@click.option(
    "--max-upload-size",
    type=click.FloatRange(min=0, min_open=True),
    default=100.0,
    show_default=True,
    metavar="MB",
    help="The longest request that is read, as ComfyUI's option of this name.",
)
@click.option("--faults", is_flag=True, help="Let POST /comfywire/faults make things go wrong.")
@debug_option
def server(
    *,
    port: int,
    host: str,
    token: str | None,
    opens: bool,
    step_time: float,
    folder: Path | None,
    profile: str,
    nodes_file: Path | None,
    object_info: Path | None,
    stub_missing: bool,
    memory: float,
    max_upload_size: float,
    faults: bool,
) -> None:
    """Start a test server that speaks ComfyUI's API. It needs no GPU and no models.

    Text-to-image is simulated: what it draws are placeholders that say so. Its address shows the queue and
    the last results to a browser. Ctrl-C stops it.
    """
    from comfywire.server import serve_forever  # noqa: PLC0415
    from comfywire.server.memory import bound_memory  # noqa: PLC0415

    _check_host(host, token)
    options: dict[str, Any] = {"host": host, "port": port, "token": token, "profile": profile}
    options |= {"folder": folder, "step_time": step_time, "faults_over_http": faults}
    options |= {
        "nodes": _nodes(nodes_file),
        "object_info": _object_info(object_info, stub_missing=stub_missing),
    }
    options["max_upload_bytes"] = int(max_upload_size * 1024**2)

    def started(running: Server) -> None:
        # What is loaded by now is not counted: it differs from machine to machine.
        bound_memory(int(memory * 1024**3))
        for line in _announcement(running, host, profile, token=token):
            click.echo(line)
        if opens:
            _open(_page(running.url, token))

    try:
        wait_for(serve_forever(on_start=started, **options))
    except OSError as error:
        words = f"cannot listen on {host} port {port}: {error.strerror}; choose another --port, or 0"
        raise click.UsageError(words) from error
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("stopped", err=True)


def _check_host(host: str, token: str | None) -> None:
    from comfywire.server.http.access import refuse_public  # noqa: PLC0415

    try:
        refuse_public(host, token)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--host") from error


def _nodes(path: Path | None) -> Mapping[str, Any]:
    from comfywire.server import load_nodes  # noqa: PLC0415

    try:
        return {} if path is None else load_nodes(path)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--nodes") from error


def _object_info(path: Path | None, *, stub_missing: bool) -> Mapping[str, Any]:
    """Return what is known of a real server's node types, or only of those that are here too."""
    from comfywire.server.nodes.catalogue import NODES  # noqa: PLC0415

    known = {} if path is None else read_object_info(path)
    return known if stub_missing else {name: entry for name, entry in known.items() if name in NODES}


def _announcement(running: Server, host: str, profile: str, *, token: str | None) -> Iterator[str]:
    """What it is, where, and how to reach it. The token is not printed: whoever started it knows it."""
    from comfywire.server.http.access import is_loopback  # noqa: PLC0415

    yield f"Comfywire's test server is ready at {running.url}"
    yield f"  It answers as ComfyUI {profile} does; text-to-image is simulated, pictures are placeholders."
    if not is_loopback(host):
        port = running.url.rpartition(":")[2]
        yield f"  Others reach it at http://{socket.gethostname()}:{port}, with the token, unencrypted."
    yield f"  Queue and results: {running.url}/{'?token=TOKEN' if token else ''} in a browser"
    yield f"  Its files are in {running.folder}"
    yield f"  Run something: comfywire run workflow_api.json --server {running.url}"
    yield f"  From Python: comfywire.Client({running.url!r}{', token=...' if token else ''})"
    yield "  Ctrl-C stops it."


def _page(url: str, token: str | None) -> str:
    return f"{url}/?token={quote(token, safe='')}" if token else f"{url}/"


def _open(page: str) -> None:
    """Show a page without waiting for the browser: one in the terminal would stop the server meanwhile."""

    def show() -> None:
        if not webbrowser.open(page):
            click.echo(
                "there is no browser that can be started from here; open the address yourself", err=True
            )

    threading.Thread(target=show, name="comfywire server: browser", daemon=True).start()
