"""The options that say which job service, and what its answers mean for a command."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from comfywire.cli.connection import debug_option

if TYPE_CHECKING:
    from comfywire.errors import JobError
    from comfywire.service_client.client import ServiceClient

__all__ = ["DEFAULT_SERVICE", "FILES", "Service", "ending_of", "labels", "service_options"]

DEFAULT_SERVICE = "http://127.0.0.1:8190"
FILES = frozenset({"image", "mask", "video", "audio", "file"})
"""The types of parameters that take a file."""
Command = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Service:
    """Which job service, and with which key."""

    url: str
    key: str | None = field(default=None, repr=False)
    verify: bool = True

    def client(self) -> ServiceClient:
        """Return a client of it.

        Raises:
            click.BadParameter: This is no address.

        """
        from comfywire.service_client.client import ServiceClient  # noqa: PLC0415 - with its HTTP client

        try:
            return ServiceClient(self.url, key=self.key, verify=self.verify)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--service") from error


def service_options(command: Command) -> Command:
    """Add the options of every command that talks to a job service; it gets them as ``service``."""

    @functools.wraps(command)
    def with_service(*, service: str, key: str | None, insecure: bool, **options: Any) -> Any:
        return command(service=Service(service, key, verify=not insecure), **options)

    described: Command = debug_option(with_service)
    insecure = click.option(
        "--insecure", is_flag=True, help="Accept an https certificate that cannot be verified."
    )
    return service_option(default=DEFAULT_SERVICE)(key_option(insecure(described)))


def service_option(default: str | None) -> Callable[[Command], Command]:
    """Return ``--service``, with a default or without."""
    return click.option(
        "--service",
        metavar="URL",
        envvar="COMFYWIRE_SERVICE",
        default=default,
        show_default=default is not None,
        show_envvar=True,
        help="The job service's address.",
    )


key_option = click.option(
    "--key",
    metavar="KEY",
    envvar="COMFYWIRE_KEY",
    show_envvar=True,
    help="Your key, cw_..., if it wants one.",
)


def labels(ctx: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """Read ``NAME=VALUE``, repeated."""
    del ctx, parameter
    for text in texts:
        if "=" not in text:
            raise click.BadParameter(f"{text!r} is not of the form NAME=VALUE")
    return {name.strip(): value for name, _, value in (text.partition("=") for text in texts)}


def ending_of(job: Mapping[str, Any]) -> JobError | None:
    """Return what went wrong with a job, as the client of a ComfyUI has it; None if nothing did."""
    from comfywire.errors import JobFailed, JobInterrupted, JobTimedOut, OutputsMissing  # noqa: PLC0415

    error = job.get("error") or {}
    said, prompt_id = str(error.get("message") or ""), str(job.get("id"))
    match job.get("status"):
        case "failed":
            return JobFailed(
                f"job {prompt_id} failed: {said or 'it says no more'}",
                prompt_id=prompt_id,
                node_id=error.get("node_id"),
                class_type=error.get("class_type"),
                exception_message=said,
                traceback=str(error.get("traceback") or "").splitlines(keepends=True),
            )
        case "canceled":
            return JobInterrupted(f"job {prompt_id} was canceled", prompt_id=prompt_id)
        case "expired":
            words = said or "it waited for longer than it may"
            return JobTimedOut(f"job {prompt_id} expired: {words}", prompt_id=prompt_id)
        case "succeeded" if missing := job.get("missing"):
            what = f"job {prompt_id} did not make all that was asked for: {'; '.join(map(str, missing))}"
            return OutputsMissing(what, prompt_id=prompt_id)
        case _:
            return None
