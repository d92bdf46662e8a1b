"""What a terminal shows while a prompt runs: two bars that move, previews, results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from comfywire.cli.failures import one_line
from comfywire.cli.naming import NodeNames
from comfywire.client import Job, Output
from comfywire.client.events import Event, Executed, Executing, ExecutionCached, PreviewImage

from .ending import Ending, Saved
from .reports import last_lines, never_began

if TYPE_CHECKING:
    from comfywire.cli.pictures import Painter

__all__ = ["LiveReport"]

REFRESHES_PER_SECOND = 10
TITLE_WIDTH = 34
COLOURS = {"success": "green", "interrupted": "yellow", "timed_out": "yellow"}


class LiveReport:
    """Two bars that move (the whole prompt, the node at work), above them what is there to stay.

    Args:
        painter: Draws previews and results, if the user wants to see them.

    """

    def __init__(self, painter: Painter | None = None) -> None:
        self._console = Console(highlight=False)
        self._painter = painter
        self._preview: RenderableType | None = None
        self._names = NodeNames({})
        self._job: Job | None = None
        self._bars = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(min_width=18, no_wrap=True)),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[detail]}", markup=False, justify="right"),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=self._console,
            expand=True,
        )
        self._whole = self._bars.add_task("connecting", total=None, detail="")
        self._node = self._bars.add_task("", total=None, detail="", visible=False, start=False)
        self._live = Live(
            get_renderable=self._renderable,
            console=self._console,
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=True,
        )

    def __enter__(self) -> Self:
        """Take the last lines of the terminal."""
        self._live.start()
        return self

    def __exit__(self, *reason: object) -> None:
        """Give them back."""
        self._live.stop()

    def submitted(self, job: Job, names: NodeNames) -> None:
        """Say which prompt."""
        self._job, self._names = job, names
        self._say(f"prompt {job.prompt_id}", style="dim")
        self._bars.update(self._whole, description="queued", total=1.0)

    def waiting(self, position: int) -> None:
        """Show the place in the queue."""
        ahead = f"{position} ahead in the queue" if position else "next in the queue"
        self._bars.update(self._whole, description="waiting", detail=ahead)

    def heard(self, event: Event) -> None:
        """Move the bars."""
        match event:
            case PreviewImage(image=image) if self._painter is not None:
                self._preview = self._painter.preview(image) or self._preview
            case Executing(node=str(node)):
                self._begin_node(node)
            case ExecutionCached(nodes=nodes) if nodes:
                self._say(f"{len(nodes)} nodes are cached", style="dim")
            case Executed(node=node, output=output) if output:
                self._say(f"\N{CHECK MARK} {self._names.line(node)}", style="green")
        self._update()

    def _begin_node(self, node_id: str) -> None:
        title = one_line(self._names.title(node_id))
        if len(title) > TITLE_WIDTH:
            title = title[: TITLE_WIDTH - 1] + "…"
        self._bars.reset(self._node, description=title, total=None, detail="", visible=True)

    def _update(self) -> None:
        assert self._job is not None
        progress = self._job.progress
        if progress.phase == "pending":
            return
        nodes = f"{progress.nodes_done}/{progress.nodes_total} nodes" if progress.nodes_total else ""
        self._bars.update(
            self._whole, description="running", completed=progress.fraction, total=1.0, detail=nodes
        )
        if progress.value is not None and progress.max is not None and progress.max > 1:
            steps = f"{progress.value:g}/{progress.max:g} steps"
            self._bars.update(self._node, completed=progress.value, total=progress.max, detail=steps)

    def note(self, sentence: str) -> None:
        """Say it above the bars."""
        self._say(sentence, style="yellow")

    def server(self, sentence: str, *, answers: bool) -> None:
        """Say it above the bars, and in them for as long as it lasts."""
        self.note(sentence)
        self._bars.update(self._whole, description="running" if answers else "no answer")

    def saved(self, saved: Saved) -> None:
        """Say where an output went."""
        self._say(f"saved {saved.path}")

    @property
    def draws(self) -> bool:
        """Whether there is somebody to draw."""
        return self._painter is not None

    def draw(self, content: bytes) -> None:
        """Draw a result above the bars, where it stays."""
        drawing = self._painter.result(content) if self._painter is not None else None
        self._preview = None
        if drawing is not None:
            self._console.print(drawing)

    def text(self, output: Output) -> None:
        """Show the text."""
        self._say(f"{self._names.line(output.node_id)}: {output.value}")

    def ended(self, ending: Ending) -> None:
        """Say how it went, in place of the bars."""
        self._live.stop()
        for warning in ending.warnings:
            self._say(f"warning: {warning}", style="yellow")
        if not never_began(ending):
            first, *rest = last_lines(ending)
            self._say(first, style=COLOURS.get(ending.status, "red"))
            for line in rest:
                self._say(line)

    def _say(self, sentence: str, style: str = "") -> None:
        self._console.print(Text(one_line(sentence), style=style, overflow="fold"), soft_wrap=True)

    def _renderable(self) -> RenderableType:
        return self._bars if self._preview is None else Group(self._preview, self._bars)
