"""The options that say which server, and waiting for it until Ctrl-C."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from comfywire.cli.signals import STOPPING, called_on

if TYPE_CHECKING:
    from comfywire.client import Client

__all__ = ["Connection", "debug_option", "server_options", "wait_for"]

DEFAULT_SERVER = "http://127.0.0.1:8188"
Value = TypeVar("Value")
Command = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Connection:
    """Which server, and how to prove who we are."""

    server: str
    token: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify: bool = True
    is_named: bool = True
    """Whether the user said which server, rather than leaving it to the default."""

    @property
    def shown(self) -> str:
        """The address as it may be printed: without user, password and query."""
        return self.client().url

    def client(self) -> Client:
        """Return a client of this server, not yet open.

        Raises:
            click.BadParameter: This is no address.

        """
        from comfywire.client import Client  # noqa: PLC0415 - an HTTP client costs 0.2 s to import

        try:
            return Client(self.server, token=self.token, headers=self.headers, verify=self.verify)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--server") from error


def debug_option(command: Command) -> Command:
    """Add ``--debug``."""
    words = "Show tracebacks, and what happens on the wire."
    return click.option("--debug", is_flag=True, expose_value=False, callback=_debug, help=words)(command)


def _debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value and not ctx.resilient_parsing:
        logging.basicConfig(format="%(asctime)s %(name)s %(message)s")
        logging.getLogger("comfywire").setLevel(logging.DEBUG)


def server_options(command: Command) -> Command:
    """Add the options that every command has which talks to a server; it gets them as ``connection``."""

    @functools.wraps(command)
    def with_connection(
        *, server: str, token: str | None, header: tuple[str, ...], insecure: bool, **options: Any
    ) -> Any:
        source = click.get_current_context().get_parameter_source("server")
        is_named = source is not click.core.ParameterSource.DEFAULT
        headers = dict(map(_header, header))
        connection = Connection(server, token, headers, verify=not insecure, is_named=is_named)
        return command(connection=connection, **options)

    described: Command = debug_option(with_connection)
    for option in reversed(OPTIONS):
        described = option(described)
    return described


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        # What was given stays unsaid: it may well be a secret.
        raise click.BadParameter("it is not of the form 'Name: value'", param_hint="--header")
    return name.strip(), value.strip()


OPTIONS = (
    click.option(
        "--server",
        metavar="URL",
        envvar="COMFYWIRE_SERVER",
        default=DEFAULT_SERVER,
        show_default=True,
        show_envvar=True,
        help="ComfyUI's address, with any path prefix; user:password@ for basic authentication.",
    ),
    click.option(
        "--token",
        metavar="TOKEN",
        envvar="COMFYWIRE_TOKEN",
        show_envvar=True,
        help="Sent as a bearer token.",
    ),
    click.option(
        "--header", metavar="'NAME: VALUE'", multiple=True, help="Sent with every request; repeatable."
    ),
    click.option("--insecure", is_flag=True, help="Accept an https certificate that cannot be verified."),
)


def wait_for(
    work: Coroutine[Any, Any, Value], *, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> Value:
    """Return what ``work`` returns; Ctrl-C and SIGTERM cancel it, the second one at once."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(_until_signalled(work))


async def _until_signalled(work: Coroutine[Any, Any, Value]) -> Value:
    task = asyncio.current_task()
    assert task is not None
    # SIGINT too, although asyncio.run does that: not where a shell has started us in the background, which
    # makes it be ignored.
    with called_on(STOPPING, task.cancel):
        return await work
