"""Telling what happens to a job of the service: as lines for people, as JSON, on a terminal with a bar."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import click

from comfywire.cli.failures import one_line, outcome_of, sentence
from comfywire.cli.jobs.service import ending_of
from comfywire.cli.json_lines import print_json

__all__ = ["JsonTeller", "PlainTeller", "Teller", "choose_teller"]

Job = Mapping[str, Any]
STATUS = ("status", "queue_position", "waiting_reason")


class Teller(Protocol):
    """Is told what happens to one job."""

    def submitted(self, job: Job) -> None:
        """The service has it."""

    def heard(self, job_id: str, kind: str, told: Mapping[str, Any]) -> None:
        """An event of it came."""

    def saved(self, job_id: str, output: Mapping[str, Any], path: Path) -> None:
        """An output was saved."""

    def service(self, sentence: str, answers: bool | None) -> None:  # noqa: FBT001 - a listener's signature
        """The service has fallen silent, or answers again."""

    def ended(self, job: Job, paths: Mapping[str, Path]) -> None:
        """It is over."""


class JsonTeller:
    """One JSON object a line, in the words of ``run --json`` where it has them."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def submitted(self, job: Job) -> None:
        """Begin."""
        self._print("submitted", job["id"], status=job.get("status"), drawn=job.get("drawn") or {})

    def heard(self, job_id: str, kind: str, told: Mapping[str, Any]) -> None:
        """Print an event; of a preview, only how long it is."""
        match kind:
            case "progress":
                self._print("progress", job_id, **_progress(told))
            case "status":
                known = {name: told.get(name) for name in STATUS}
                self._print("status", job_id, **known)
            case "output":
                self._print("output", job_id, output=dict(told))

    def saved(self, job_id: str, output: Mapping[str, Any], path: Path) -> None:
        """Print where it went."""
        self._print("saved", job_id, node_id=output.get("node_id"), path=str(path))

    def service(self, sentence: str, answers: bool | None) -> None:  # noqa: FBT001 - a listener's signature
        """Print that the service has fallen silent, or answers again."""
        self._print(
            "answering" if answers else "silent", None, message=_waiting(sentence, answers=bool(answers))
        )

    def ended(self, job: Job, paths: Mapping[str, Path]) -> None:
        """Print the result."""
        error = ending_of(job)
        self._print(
            "result",
            job["id"],
            status="success" if error is None else outcome_of(error),
            job=dict(job),
            saved=list(map(str, paths.values())),
            error=None if error is None else {"type": type(error).__name__, "message": sentence(error)},
        )

    def _print(self, event: str, job_id: str | None, **words: Any) -> None:
        seconds = round(time.monotonic() - self._began, 3)
        print_json({"event": event, "prompt_id": job_id, "seconds": seconds, **words})


def _progress(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "fraction": told.get("value"),
        "nodes_done": told.get("nodes_done"),
        "nodes_total": told.get("nodes_total"),
        "node_id": told.get("current_node"),
        "class_type": told.get("current_node_class"),
        "value": told.get("step"),
        "max": told.get("steps"),
    }


def _status(told: Mapping[str, Any]) -> str:
    ahead, why = told.get("queue_position"), told.get("waiting_reason")
    return f"{told.get('status')}{f', {ahead} ahead' if ahead else ''}{f': {why}' if why else ''}"


def _waiting(sentence: str, *, answers: bool) -> str:
    return sentence if answers else f"{sentence}; waiting for it: the jobs are safe in the service"


class PlainTeller:
    """A line for each thing that happens once."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def submitted(self, job: Job) -> None:
        """Say which job."""
        again = [f"-p {name}={value}" for name, value in (job.get("drawn") or {}).items()]
        status = str(job.get("status") or "submitted")
        self._say(job["id"], f"{status}, drawn: {' '.join(again)}" if again else status, by=status)

    def heard(self, job_id: str, kind: str, told: Mapping[str, Any]) -> None:
        """Say each state, and each node that begins."""
        match kind:
            case "status":
                self._say(job_id, _status(told))
            case "progress" if told.get("current_node"):
                name = told.get("current_node_class") or f"node {told['current_node']}"
                self._say(job_id, f"{float(told.get('value') or 0):4.0%}  {name}", by=str(name))

    def saved(self, job_id: str, output: Mapping[str, Any], path: Path) -> None:
        """Say where it went."""
        del job_id, output
        click.echo(one_line(f"saved {path}"))

    def service(self, sentence: str, answers: bool | None) -> None:  # noqa: FBT001 - a listener's signature
        """Say that the service has fallen silent, or answers again."""
        self._warn(one_line(f"comfywire: {_waiting(sentence, answers=bool(answers))}"))

    def ended(self, job: Job, paths: Mapping[str, Path]) -> None:
        """Say what to know of it, such as outputs that are withheld; its error is said by whoever ends."""
        del paths
        self._say(job["id"], str(job["status"]))
        missing = tuple(map(str, job.get("missing") or ()))  # which is its error
        for warning in job.get("warnings") or ():
            if missing and str(warning).endswith(missing):
                continue
            self._warn(one_line(f"comfywire: warning: job {job['id']}: {warning}"))

    def _warn(self, words: str) -> None:
        click.echo(words, err=True)

    def _say(self, job_id: str, words: str, by: str = "") -> None:
        if self._said.get(job_id) != (by or words):
            self._said[job_id] = by or words
            click.echo(one_line(f"job {job_id}: {words}"))


class LiveTeller(PlainTeller):
    """A bar for each job, below the lines that stay."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn  # noqa: PLC0415

        super().__init__()
        self.bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            expand=True,
            transient=True,
        )
        self._tasks: dict[str, Any] = {}

    def heard(self, job_id: str, kind: str, told: Mapping[str, Any]) -> None:
        """Move the bar."""
        if job_id not in self._tasks:
            self._tasks[job_id] = self.bars.add_task(job_id[:8], total=1.0)
        if kind == "progress":
            message = one_line(str(told.get("message") or "running"))[:40]
            words = f"{job_id[:8]}  {message}"
            self.bars.update(self._tasks[job_id], completed=told.get("value") or 0.0, description=words)
        else:
            super().heard(job_id, kind, told)

    def ended(self, job: Job, paths: Mapping[str, Path]) -> None:
        """Take the bar away."""
        if job["id"] in self._tasks:
            self.bars.remove_task(self._tasks.pop(job["id"]))
        super().ended(job, paths)

    def _say(self, job_id: str, words: str, by: str = "") -> None:
        if self._said.get(job_id) != (by or words):
            self._said[job_id] = by or words
            self.bars.console.print(one_line(f"job {job_id}: {words}"), markup=False, highlight=False)

    def _warn(self, words: str) -> None:
        self.bars.console.print(words, markup=False, highlight=False, soft_wrap=True)

    def saved(self, job_id: str, output: Mapping[str, Any], path: Path) -> None:
        """Say where it went, above the bars."""
        del job_id, output
        self.bars.console.print(one_line(f"saved {path}"), markup=False, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def choose_teller(*, as_json: bool) -> Iterator[Teller]:
    """Return how to tell: JSON, bars on a terminal, lines into a pipe."""
    if as_json:
        yield JsonTeller()
        return
    from comfywire.cli.terminal import is_terminal  # noqa: PLC0415 - imports the client and rich

    if not is_terminal():
        yield PlainTeller()
        return
    live = LiveTeller()
    with live.bars:
        yield live
