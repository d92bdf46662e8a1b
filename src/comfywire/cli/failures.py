"""What an error means for the one who typed the command: a sentence and an exit status."""

from __future__ import annotations

import click

from comfywire.errors import (
    ComfywireError,
    ConnectionFailed,
    InvalidWorkflow,
    JobError,
    JobFailed,
    JobInterrupted,
    JobLost,
    JobTimedOut,
    OutputsGone,
    ServerError,
    UncertainWorkflow,
    UnexpectedReply,
    WorkflowRejected,
)

__all__ = ["FAILED", "INTERRUPTED", "MISUSE", "Stopped", "exit_status", "one_line", "outcome_of", "sentence"]

FAILED = 1
MISUSE = 2
INTERRUPTED = 130
"""128 + SIGINT, as shells say it."""


class Stopped(Exception):
    """The user pressed Ctrl-C, or somebody sent SIGTERM; the message says what became of the prompt."""


# The first that fits; `status` in the JSON dialect and the exit status follow from the same table.
OUTCOMES: tuple[tuple[type[BaseException], str, int], ...] = (
    (Stopped, "interrupted", INTERRUPTED),
    (WorkflowRejected, "rejected", FAILED),
    (InvalidWorkflow, "rejected", FAILED),
    (UncertainWorkflow, "rejected", FAILED),
    (JobInterrupted, "interrupted", INTERRUPTED),
    (JobTimedOut, "timed_out", FAILED),
    (JobLost, "lost", FAILED),
    (OutputsGone, "lost", FAILED),
    (JobError, "failed", FAILED),
    (ComfywireError, "failed", MISUSE),
)


def outcome_of(error: BaseException) -> str:
    """Return how a run ended that raised ``error``: ``failed``, ``rejected``, ``lost``, ..."""
    return next((word for kind, word, _ in OUTCOMES if isinstance(error, kind)), "failed")


def exit_status(error: BaseException) -> int:
    """Return 1 for a job that did not end well, 2 for misuse or an unusable server, 130 for interrupted."""
    if isinstance(error, ServerError) and error.status == 500:
        return FAILED  # the server is there, and broke down
    if isinstance(error, click.ClickException):
        return error.exit_code
    return next((status for kind, _, status in OUTCOMES if isinstance(error, kind)), FAILED)


def sentence(error: BaseException) -> str:
    """Return one line that names what is wrong and what to do next."""
    if isinstance(error, click.UsageError):
        words = error.format_message().rstrip(".")
        command = error.ctx.command_path if error.ctx is not None else "comfywire"
        return one_line(f"{words} (see `{command} --help`)")
    if isinstance(error, click.ClickException):
        return one_line(error.format_message())
    if isinstance(error, Stopped):
        return one_line(str(error))
    if isinstance(error, ComfywireError):
        words = str(error).replace("verify=False takes any", "--insecure takes any")
        step = "" if "--insecure" in words else _next_step(error)
        return one_line(_joined(words, step))
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename is not None else ""
        return one_line(f"{where}{error.strerror or error}")
    return one_line(f"{type(error).__name__}: {error}; this is a bug of comfywire's, --debug shows where")


def _joined(words: str, step: str) -> str:
    """Both in one sentence; behind a question a second one begins."""
    if not (words.endswith("?") and step):
        return words + step
    step = step.removeprefix("; ")
    return f"{words} {step[0].upper()}{step[1:]}"


def _next_step(error: ComfywireError) -> str:
    if (own := getattr(error, "next_step", None)) is not None:
        return str(own)
    match error:
        case ServerError(status=401 | 403):
            return "; give --token, --header, or user:password@ in --server"
        case ServerError(status=404 | 405) | UnexpectedReply():
            return "; is it ComfyUI that answers there? `comfywire doctor` looks"
        case ConnectionFailed():
            return "; name another with --server, or try `comfywire demo`"
        case JobFailed() if error.traceback:
            return "; --debug shows the server's traceback"
        case _:
            return ""


def one_line(text: str) -> str:
    """Return ``text`` without line breaks and without what would steer a terminal: servers send anything."""
    shown = "".join(
        mark if mark.isprintable() or mark.isspace() else "\N{REPLACEMENT CHARACTER}" for mark in text
    )
    return " ".join(shown.split())
