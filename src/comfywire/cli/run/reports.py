"""Telling what a run does: the interface, and its forms for programs and for pipes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import click

from comfywire.cli.failures import one_line
from comfywire.cli.json_lines import print_json
from comfywire.cli.naming import NodeNames
from comfywire.cli.run.dialect import describe, describe_ending
from comfywire.cli.run.ending import Ending, Saved
from comfywire.client import Job, Output
from comfywire.client.events import Event, Executed, Executing, ExecutionCached
from comfywire.client.results.outputs import kind_of
from comfywire.client.results.shown import Shown, read_shown

__all__ = ["JsonReport", "PlainReport", "Report", "drawn_lines", "last_lines", "never_began"]


class Report(Protocol):
    """Is told what happens, in this order; leaving the context puts the terminal back in order."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(self, *reason: object) -> None:
        """Show nothing more."""

    def submitted(self, job: Job, names: NodeNames) -> None:
        """The server has queued a prompt, or again one that it lost."""

    def waiting(self, position: int) -> None:
        """So many prompts will run before ours."""

    def heard(self, event: Event) -> None:
        """A message of the prompt came."""

    def note(self, sentence: str) -> None:
        """Something happened that one should know."""

    def server(self, sentence: str, *, answers: bool) -> None:
        """The server has fallen silent, or answers again."""

    def saved(self, saved: Saved) -> None:
        """An output was saved."""

    def text(self, output: Output) -> None:
        """A node showed a text."""

    @property
    def draws(self) -> bool:
        """Whether pictures are wanted."""

    def draw(self, content: bytes) -> None:
        """A picture came out."""

    def ended(self, ending: Ending) -> None:
        """Nothing more will come."""


class _Silent:
    """The parts that neither form for programs needs."""

    draws = False

    def draw(self, content: bytes) -> None:
        """Draw nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        return None


class JsonReport(_Silent):
    """One JSON object a line."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._job: Job | None = None
        self._names = NodeNames({})

    def submitted(self, job: Job, names: NodeNames) -> None:
        """Begin the story of one prompt."""
        self._job, self._names = job, names
        self._print({"event": "submitted", "nodes_total": job.progress.nodes_total or None})

    def waiting(self, position: int) -> None:
        """Print the place in the queue."""
        self._print({"event": "queue", "position": position})

    def heard(self, event: Event) -> None:
        """Print a message of the server's."""
        assert self._job is not None
        words = describe(event, self._job.progress, self._names)
        if words is not None:
            self._print(words)

    def note(self, sentence: str) -> None:
        """Print a sentence for people."""
        self._print({"event": "note", "message": sentence})

    def server(self, sentence: str, *, answers: bool) -> None:
        """Print that the server has fallen silent, or answers again."""
        self._print({"event": "answering" if answers else "silent", "message": sentence})

    def saved(self, saved: Saved) -> None:
        """Print where an output went."""
        self._print({"event": "saved", "node_id": saved.output.node_id, "path": str(saved.path)})

    def text(self, output: Output) -> None:
        """Say nothing: the result has it."""

    def ended(self, ending: Ending) -> None:
        """Print the result."""
        self._print(describe_ending(ending))

    def _print(self, words: dict[str, Any]) -> None:
        prompt_id = None if self._job is None else self._job.prompt_id
        seconds = round(time.monotonic() - self._began, 3)
        print_json({"event": words["event"], "prompt_id": prompt_id, "seconds": seconds, **words})


class PlainReport(_Silent):
    """A line for each thing that happens once: readable in a log, and by grep."""

    def __init__(self) -> None:
        self._job: Job | None = None
        self._names = NodeNames({})

    def submitted(self, job: Job, names: NodeNames) -> None:
        """Say which prompt."""
        self._job, self._names = job, names
        total = job.progress.nodes_total  # 0 of somebody else's, whose graph is read later
        click.echo(f"prompt {job.prompt_id}{f': {total} nodes' if total else ''}")

    def waiting(self, position: int) -> None:
        """Say how many are ahead."""
        click.echo(f"waiting: {position} ahead" if position else "waiting: next in the queue")

    def heard(self, event: Event) -> None:
        """Say which node begins, and what has come out."""
        assert self._job is not None
        match event:
            case Executing(node=str(node)):
                self._say(self._names.line(node))
            case ExecutionCached(nodes=nodes) if nodes:
                self._say(f"{len(nodes)} of {self._job.progress.nodes_total} nodes are cached")
            case Executed(node=node, output=output) if output:
                self._say(f"{self._names.line(node)}: {_count(output)}")

    def _say(self, words: str) -> None:
        assert self._job is not None
        click.echo(f"{self._job.progress.fraction:4.0%}  {one_line(words)}")

    def note(self, sentence: str) -> None:
        """Say it."""
        click.echo(one_line(sentence))

    def server(self, sentence: str, *, answers: bool) -> None:
        """Say it, too."""
        del answers
        self.note(sentence)

    def saved(self, saved: Saved) -> None:
        """Say where an output went."""
        click.echo(one_line(f"saved {saved.path}"))

    def text(self, output: Output) -> None:
        """Show the text."""
        click.echo(f"{self._names.line(output.node_id)}: {one_line(str(output.value))}")

    def ended(self, ending: Ending) -> None:
        """Say how it went."""
        for warning in ending.warnings:
            click.echo(one_line(f"warning: {warning}"))
        if not never_began(ending):
            for line in last_lines(ending):
                click.echo(one_line(line))


def _count(output: Mapping[str, Any]) -> str:
    """Return what a node shows: ``1 image``, ``4 images, 1 text``, ``1 3D model``."""
    lists = {key: entries for key, entries in output.items() if isinstance(entries, list)}
    counts = Counter(_word(one) for one in read_shown(lists, None))
    return ", ".join(f"{count} {word}{'s' * (count != 1)}" for word, count in counts.items()) or "finished"


def _word(shown: Shown) -> str:
    """Return what one thing is called: by its key, but for ``result``, under which models stand.

    There a model has its camera, its place or the picture behind it beside it: ``read_shown`` says where.
    """
    kind = "value" if shown.filename is None else kind_of(shown.filename, is_moving=False)
    if kind == "3d":
        return "3D model"
    return kind if shown.key == "result" else shown.key.removesuffix("s")


def never_began(ending: Ending) -> bool:
    """Whether nothing was sent: there is no run to sum up, and the error says it all."""
    return ending.status == "failed" and ending.prompt_id is None


def last_lines(ending: Ending) -> list[str]:
    """Return how a run ended, and what makes it again where seeds were drawn."""
    return [summary(ending), *drawn_lines(ending.inputs, ending.drawn)]


def drawn_lines(inputs: Mapping[str, Any], drawn: Sequence[str]) -> list[str]:
    """Return the line that names the seeds that were drawn, as options; none without such seeds."""
    options = [f"{'--set' if '.' in name else '-p'} {name}={inputs[name]}" for name in drawn]
    return [f"drawn: {' '.join(options)}"] if options else []


def summary(ending: Ending) -> str:
    """Return how a run ended, in one line."""
    files, were = (f"{len(ending.saved)} files", "were") if len(ending.saved) != 1 else ("1 file", "was")
    if ending.status == "success":
        saved = f", {files} saved" if ending.saved else ""
        return f"done in {ending.seconds:.1f} s{saved}"
    words = {"timed_out": "timed out", "rejected": "rejected: nothing was queued"}
    kept = f"; {files} that it had finished before {were} saved" if ending.saved else ""
    return f"{words.get(ending.status, ending.status)} after {ending.seconds:.1f} s{kept}"
