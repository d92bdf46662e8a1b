"""Jobs, results and outputs, blocking."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from comfywire import client as asynchronous
from comfywire.client import JobProgress
from comfywire.client.events import Event
from comfywire.client.results.notebook import html_of
from comfywire.client.results.notebook_bar import notebook_bar
from comfywire.client.results.result import Outputs, select
from comfywire.client.saving import Place
from comfywire.errors import JobError

from .background import LOOP

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

__all__ = ["Job", "Output", "Result", "wait"]

Value = TypeVar("Value")


def wait(work: Coroutine[Any, Any, Value]) -> Value:
    """Return what ``work`` returns; the outputs on its errors block, too."""
    try:
        return LOOP.wait(work)
    except JobError as error:
        error.outputs = [Output(output) for output in error.outputs]
        raise


async def _next(events: AsyncIterator[Event]) -> Event | None:
    return await anext(events, None)


@dataclass(frozen=True, slots=True)
class Output:
    """One output of one node; see :class:`comfywire.Output`, whose fields it has."""

    _output: asynchronous.Output

    def __getattr__(self, name: str) -> Any:
        return getattr(self._output, name)

    def __repr__(self) -> str:
        return repr(self._output)

    @property
    def node_id(self) -> str:
        """The node that shows it."""
        return self._output.node_id

    @property
    def kind(self) -> str:
        """What it is: ``image``, ``video``, ``text``, ...; see :class:`comfywire.Output`."""
        return self._output.kind

    @property
    def filename(self) -> str | None:
        """The server's name for it."""
        return self._output.filename

    @property
    def subfolder(self) -> str:
        """Below the root, often empty."""
        return self._output.subfolder

    @property
    def type(self) -> str:
        """The root."""
        return self._output.type

    def read(self) -> bytes:
        """See :meth:`comfywire.Output.read`."""
        return wait(self._output.read())

    def bring(self, at_most: int) -> int:
        """See :meth:`comfywire.Output.bring`."""
        return wait(self._output.bring(at_most))

    def image(self) -> Image:
        """See :meth:`comfywire.Output.image`."""
        return wait(self._output.image())

    def array(self) -> NDArray[Any]:
        """See :meth:`comfywire.Output.array`."""
        return wait(self._output.array())

    def save(self, path: str | Path) -> Path:
        """See :meth:`comfywire.Output.save`."""
        return wait(self._output.save(path))

    def save_in(self, folder: Path) -> Path:
        """See :meth:`comfywire.Output.save_in`."""
        return wait(self._output.save_in(folder))

    def save_at(self, place: Place) -> Path:
        """See :meth:`comfywire.Output.save_at`."""
        return wait(self._output.save_at(place))


class Result:
    """How a prompt that ended well came out; see :class:`comfywire.Result`."""

    def __init__(self, result: asynchronous.Result) -> None:
        self._result = result
        self.prompt_id = result.prompt_id
        self.outputs = Outputs(Output(output) for output in result.outputs)
        self.warnings = result.warnings
        self.missing = result.missing
        self.inputs = result.inputs
        self.prompt = result.prompt

    def __repr__(self) -> str:
        return repr(self._result)

    def __len__(self) -> int:
        return len(self.outputs)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Output]:
        return iter(self.outputs)

    def of(self, node: str) -> Outputs[Output]:
        """See :meth:`comfywire.Result.of`."""
        with self._blocking_errors():
            return select(self._result, self.outputs, node)

    def must_be_whole(self) -> None:
        """See :meth:`comfywire.Result.must_be_whole`."""
        with self._blocking_errors():
            self._result.must_be_whole()

    @contextmanager
    def _blocking_errors(self) -> Iterator[None]:
        try:
            yield
        except JobError as error:
            error.outputs = list(self.outputs)
            raise

    @property
    def images(self) -> Outputs[Output]:
        """The outputs that are pictures, moving ones too."""
        return self._those(self._result.images)

    @property
    def texts(self) -> Outputs[Output]:
        """The outputs that are texts; what they say is in ``.value``, unless they are text files."""
        return self._those(self._result.texts)

    @property
    def files(self) -> Outputs[Output]:
        """The outputs that are files, or pictures that came over the socket."""
        return self._those(self._result.files)

    def _those(self, wanted: list[asynchronous.Output]) -> Outputs[Output]:
        ids = {id(one) for one in wanted}
        return Outputs(output for output in self.outputs if id(output._output) in ids)  # noqa: SLF001 - of this module

    def _repr_html_(self) -> str:
        return html_of(self._result.outputs)

    def save(self, folder: str | Path) -> list[Path]:
        """See :meth:`comfywire.Result.save`."""
        return wait(self._result.save(folder))


class Job:
    """A handle on one prompt; see :class:`comfywire.Job`."""

    def __init__(self, job: asynchronous.Job) -> None:
        self._job = job
        self.node_errors = job.node_errors
        self.inputs = job.inputs

    def __repr__(self) -> str:
        return LOOP.call(lambda: repr(self._job))

    @property
    def prompt_id(self) -> str:
        """The prompt's id."""
        return self._job.prompt_id

    @property
    def prompt(self) -> dict[str, Any]:
        """The graph that the server was sent; see :attr:`comfywire.Job.prompt`."""
        return self._job.prompt

    @property
    def is_done(self) -> bool:
        """Whether the job has ended, well or not."""
        return self._job.is_done

    @property
    def progress(self) -> JobProgress:
        """How far the job is now."""
        return LOOP.call(lambda: self._job.progress)

    @property
    def history(self) -> dict[str, Any] | None:
        """What the server's history says of how it ended; see :attr:`comfywire.Job.history`."""
        return self._job.history

    @property
    def outputs(self) -> Outputs[Output]:
        """The outputs that are known so far."""
        return Outputs(Output(output) for output in LOOP.call(lambda: self._job.outputs))

    def result(
        self,
        timeout: float | None = None,
        *,
        cancel_on_timeout: bool = True,
        on_progress: Callable[[JobProgress], None] | None = None,
    ) -> Result:
        """See :meth:`comfywire.Job.result`; ``on_progress`` is called in the background thread."""
        waiting = self._job.result(
            timeout, cancel_on_timeout=cancel_on_timeout, on_progress=on_progress or notebook_bar()
        )
        return Result(wait(waiting))

    def events(self) -> Iterator[Event]:
        """See :meth:`comfywire.Job.events`."""
        events = self._job.events()
        while (event := wait(_next(events))) is not None:
            yield event

    def cancel(self, timeout: float | None = None) -> bool:
        """See :meth:`comfywire.Job.cancel`."""
        return wait(self._job.cancel(timeout))

    def withdraw(self) -> None:
        """See :meth:`comfywire.Job.withdraw`."""
        wait(self._job.withdraw())
