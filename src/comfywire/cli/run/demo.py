"""``comfywire demo``: two workflows on the test server, from nothing to pictures."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from comfywire.cli.calling import own_name
from comfywire.cli.connection import debug_option, wait_for
from comfywire.cli.options import check_writable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfywire.cli.run.ending import Ending

__all__ = ["demo"]

STEP_TIME = 0.12
"""Seconds a step: slow enough to be watched, quick enough not to be waited for."""


@click.command(short_help="Start a test server and run two workflows on it.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("comfywire-demo"),
    show_default=True,
    metavar="DIR",
    help="Where pictures and workflows are saved.",
)
@click.option("--step-time", type=float, default=STEP_TIME, hidden=True)
@click.option("--show", is_flag=True, help="Draw previews and results in the terminal.")
@debug_option
def demo(*, out: Path, step_time: float, show: bool) -> int:
    """Start a test server, run two workflows on it, and save what they make.

    It needs no ComfyUI, no GPU and no models: text-to-image is simulated, its pictures are placeholders.
    """
    check_writable(out)
    endings = wait_for(_run(out, step_time=step_time, show=show))
    for ending in endings:
        if ending.errors:
            raise ending.errors[0]
    _say_what_next(out, endings)
    return 0


async def _run(out: Path, *, step_time: float, show: bool) -> list[Ending]:
    from comfywire.server import Server  # noqa: PLC0415 - NumPy and Pillow, of the extra `server`

    async with Server(step_time=step_time) as server:
        click.echo(
            f"A test server is running at {server.url}: it speaks ComfyUI's API, and simulates its models."
        )
        picture = await _follow(server.url, "text_to_image", out, show=show)
        if picture.errors:
            return [picture]
        settings = [f"Picture.image={picture.saved[0].path}"]
        return [picture, await _follow(server.url, "edit_picture", out, settings, show=show)]


async def _follow(url: str, name: str, out: Path, settings: Sequence[str] = (), *, show: bool) -> Ending:
    from comfywire.cli.run.following import RunOrder, follow  # noqa: PLC0415
    from comfywire.cli.run.run import choose_report  # noqa: PLC0415
    from comfywire.client import Client  # noqa: PLC0415
    from comfywire.client.preparing import Request  # noqa: PLC0415

    path = out / f"{name}.json"
    await asyncio.to_thread(
        path.write_bytes, files("comfywire.cli").joinpath(f"workflows/{name}.json").read_bytes()
    )
    changes = "".join(f" --set {setting}" for setting in settings)
    click.echo(f"\n$ comfywire run {path}{changes} --out {out}")
    with choose_report(show=show) as report:
        ending = await follow(
            Client(url), RunOrder(Request(str(path), settings=tuple(settings)), out), report
        )
        report.ended(ending)
    return ending


def _say_what_next(out: Path, endings: Sequence[Ending]) -> None:
    click.echo(f"\nThe pictures are in {out.resolve()}:")
    for ending in endings:
        for saved in ending.saved:
            click.echo(f"  {saved.path.name}")
    click.echo("\nTry next:")
    command = own_name()
    click.echo(f"  {command} server   # the test server, to keep")
    click.echo(
        f"  {command} run {out}/text_to_image.json --server http://127.0.0.1:8189 "
        '--set "Positive.text=a red barn" --set KSampler.seed=7'
    )
    click.echo(f"  {command} run workflow_api.json   # on your own ComfyUI, port 8188")
