"""The command itself: finding subcommands, and errors as one line with an exit status."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Sequence
from importlib import import_module

import click

import comfywire
from comfywire.cli.connection import debug_option
from comfywire.cli.failures import INTERRUPTED, exit_status, sentence
from comfywire.cli.groups import Group
from comfywire.cli.streams import steady_streams
from comfywire.errors import JobFailed

__all__ = ["comfywire_command", "main"]

COMMANDS = {
    "run": "run.run:run",
    "watch": "run.watch:watch",
    "queue": "comfyui.jobs:queue",
    "history": "comfyui.jobs:history",
    "cancel": "comfyui.jobs:cancel",
    "interrupt": "comfyui.jobs:interrupt",
    "download": "comfyui.files:download",
    "upload": "comfyui.files:upload",
    "models": "comfyui.server_state:models",
    "stats": "comfyui.server_state:stats",
    "free": "comfyui.server_state:free",
    "doctor": "comfyui.doctor:doctor",
    "convert": "workflow.workflow:convert",
    "inspect": "workflow.inspecting:inspect",
    "validate": "workflow.workflow:validate",
    "nodes": "comfyui.nodes:nodes",
    "server": "test_server:server",
    "demo": "run.demo:demo",
    "serve": "operate.serve:serve",
    "worker": "operate.worker:worker",
    "keys": "operate.keys:keys",
    "workflows": "jobs.registering:workflows",
    "mcp": "jobs.agents:mcp",
    "submit": "jobs.submitting:submit",
    "wait": "jobs.submitting:wait",
    "jobs": "jobs.service_jobs:jobs",
    "retry": "jobs.service_jobs:retry",
    "top": "jobs.top:top",
    "db": "operate.db:db",
}
"""Where each command is; a module is imported when its command is needed."""

log = logging.getLogger("comfywire")


class Commands(Group):
    """Subcommands that are imported when they are needed, so that ``--version`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which a newcomer needs them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one command, or None."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"comfywire.cli.{module}"), name)
        return command


@click.group("comfywire", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(comfywire.__version__, message="comfywire %(version)s")
@debug_option
def comfywire_command() -> None:
    """Run ComfyUI workflows from the command line, and serve them as jobs.

    Begin with `comfywire demo`, and for the job service with `comfywire serve --demo`: they need no ComfyUI
    and no GPU.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; ``arguments`` are those of the process by default."""
    with steady_streams():
        return _main(arguments)


def _main(arguments: Sequence[str] | None) -> int:
    try:
        status = comfywire_command.main(args=arguments, prog_name="comfywire", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError, click.Abort):
        _say("interrupted")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the one edge where every error becomes a line and a status
        _report(error)
        return exit_status(error)
    return status if isinstance(status, int) else 0


def _report(error: Exception) -> None:
    if log.isEnabledFor(logging.DEBUG):
        traceback.print_exception(error)
        if isinstance(error, JobFailed) and error.traceback:
            _say("the server's traceback:\n" + "".join(error.traceback).rstrip())
    _say(sentence(error))


def _say(words: str) -> None:
    click.echo(f"comfywire: {words}", err=True)
