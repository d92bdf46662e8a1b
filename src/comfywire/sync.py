"""The client for code without an event loop: the same names, blocking.

Every client runs on one event loop in a background thread, so it works in scripts, in notebooks and inside
a loop that is running already (whose thread it blocks, as blocking calls do).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from comfywire import client as asynchronous
from comfywire.client import Finding, JobProgress, Upload
from comfywire.client.client import DEFAULT_URL, WorkflowSource
from comfywire.client.events import Event, QueueSnapshot
from comfywire.client.uploads import HasPlace, UploadSource
from comfywire.errors import JobError
from comfywire.workflow import Workflow

__all__ = ["Client", "Job", "Output", "Result"]

Value = TypeVar("Value")


class _Loop:
    """The background loop that all blocking clients share; it ends with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def wait(self, work: Coroutine[Any, Any, Value]) -> Value:
        """Return what ``work`` returns; Ctrl-C cancels it, waits until it has cleaned up, and goes on.

        Raises:
            RuntimeError: This is a callback, which the loop itself waits for.

        """
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a callback runs in the background loop and cannot wait for it")
        tasks: list[asyncio.Task[Any]] = []

        async def noted() -> Value:
            tasks.extend(filter(None, [asyncio.current_task()]))
            return await work

        future = asyncio.run_coroutine_threadsafe(noted(), self._running())
        try:
            return future.result()
        except JobError as error:
            error.outputs = [Output(output) for output in error.outputs]
            raise
        finally:
            if not future.done():  # Ctrl-C, or whatever else was raised in this thread meanwhile
                asyncio.run_coroutine_threadsafe(_stop(tasks), self._running()).result()

    def call(self, function: Callable[[], Value]) -> Value:
        """Return what ``function`` returns in the loop's thread, where nothing changes meanwhile."""
        if threading.current_thread() is self._thread:
            return function()

        async def call() -> Value:
            return function()

        return self.wait(call())

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="comfywire", daemon=True)
                self._thread.start()
            return self._loop


_loop = _Loop()


async def _stop(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


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
        return _loop.wait(self._output.read())

    def save(self, path: str | Path) -> Path:
        """See :meth:`comfywire.Output.save`."""
        return _loop.wait(self._output.save(path))

    def save_in(self, folder: Path) -> Path:
        """See :meth:`comfywire.Output.save_in`."""
        return _loop.wait(self._output.save_in(folder))


class Result:
    """How a prompt that ended well came out; see :class:`comfywire.Result`."""

    def __init__(self, result: asynchronous.Result) -> None:
        self._result = result
        self.prompt_id = result.prompt_id
        self.outputs = [Output(output) for output in result.outputs]
        self.warnings = result.warnings

    def __repr__(self) -> str:
        return repr(self._result)

    def of(self, node_id: str) -> list[Output]:
        """Return the outputs of one node."""
        return [output for output in self.outputs if output.node_id == node_id]

    @property
    def files(self) -> list[Output]:
        """The outputs that are files, or pictures that came over the socket."""
        return [output for output in self.outputs if output.filename is not None]

    def save(self, folder: str | Path) -> list[Path]:
        """See :meth:`comfywire.Result.save`."""
        return _loop.wait(self._result.save(folder))


class Job:
    """A handle on one prompt; see :class:`comfywire.Job`."""

    def __init__(self, job: asynchronous.Job) -> None:
        self._job = job
        self.node_errors = job.node_errors

    def __repr__(self) -> str:
        return _loop.call(lambda: repr(self._job))

    @property
    def prompt_id(self) -> str:
        """The prompt's id."""
        return self._job.prompt_id

    @property
    def is_done(self) -> bool:
        """Whether the job has ended, well or not."""
        return self._job.is_done

    @property
    def progress(self) -> JobProgress:
        """How far the job is now."""
        return _loop.call(lambda: self._job.progress)

    @property
    def outputs(self) -> list[Output]:
        """The outputs that are known so far."""
        return [Output(output) for output in _loop.call(lambda: self._job.outputs)]

    def result(
        self,
        timeout: float | None = None,
        *,
        cancel_on_timeout: bool = True,
        on_progress: Callable[[JobProgress], None] | None = None,
    ) -> Result:
        """See :meth:`comfywire.Job.result`; ``on_progress`` is called in the background thread."""
        waiting = self._job.result(timeout, cancel_on_timeout=cancel_on_timeout, on_progress=on_progress)
        return Result(_loop.wait(waiting))

    def events(self) -> Iterator[Event]:
        """See :meth:`comfywire.Job.events`."""
        events = self._job.events()
        while (event := _loop.wait(_next(events))) is not None:
            yield event

    def cancel(self, timeout: float | None = None) -> bool:
        """See :meth:`comfywire.Job.cancel`."""
        return _loop.wait(self._job.cancel(timeout))

    def withdraw(self) -> None:
        """See :meth:`comfywire.Job.withdraw`."""
        _loop.wait(self._job.withdraw())


class Client:
    """A ComfyUI server, blocking; see :class:`comfywire.Client`, whose arguments it takes."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        verify: bool = True,
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        unreachable_timeout: float | None = 300.0,
    ) -> None:
        self._client = asynchronous.Client(
            url,
            headers=headers,
            token=token,
            verify=verify,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            unreachable_timeout=unreachable_timeout,
        )

    def __repr__(self) -> str:
        return repr(self._client)

    def __enter__(self) -> Self:
        _loop.wait(self._client.__aenter__())
        return self

    def __exit__(self, *reason: object) -> None:
        _loop.wait(self._client.__aexit__(*reason))

    @property
    def url(self) -> str:
        """The server's address, without user and password."""
        return self._client.url

    @property
    def client_id(self) -> str:
        """Under which the next prompt is submitted."""
        return self._client.client_id

    def load(self, source: WorkflowSource) -> Workflow:
        """See :meth:`comfywire.Client.load`."""
        return _loop.wait(self._client.load(source))

    def submit(
        self,
        workflow: WorkflowSource,
        *,
        prompt_id: str | None = None,
        validate: bool = False,
        front: bool = False,
        targets: list[str] | None = None,
        extra_data: Mapping[str, Any] | None = None,
    ) -> Job:
        """See :meth:`comfywire.Client.submit`."""
        return Job(
            _loop.wait(
                self._client.submit(
                    workflow,
                    prompt_id=prompt_id,
                    validate=validate,
                    front=front,
                    targets=targets,
                    extra_data=extra_data,
                )
            )
        )

    def run(
        self,
        workflow: WorkflowSource,
        *,
        inputs: Mapping[str, Any] | None = None,
        outputs: list[str] | None = None,
        on_progress: Callable[[JobProgress], None] | None = None,
        timeout: float | None = None,
        prompt_id: str | None = None,
        validate: bool = False,
        resubmit: int = 0,
    ) -> Result:
        """See :meth:`comfywire.Client.run`; ``on_progress`` is called in the background thread."""
        running = self._client.run(
            workflow,
            inputs=inputs,
            outputs=outputs,
            on_progress=on_progress,
            timeout=timeout,
            prompt_id=prompt_id,
            validate=validate,
            resubmit=resubmit,
        )
        return Result(_loop.wait(running))

    def check(self, *, no_prompt: bool = False) -> list[Finding]:
        """See :meth:`comfywire.Client.check`."""
        return _loop.wait(self._client.check(no_prompt=no_prompt))

    def attach(self, prompt_id: str) -> Job:
        """See :meth:`comfywire.Client.attach`."""
        return Job(_loop.call(lambda: self._client.attach(prompt_id)))

    def queue(self) -> QueueSnapshot:
        """See :meth:`comfywire.Client.queue`."""
        return _loop.wait(self._client.queue())

    def delete(self, *prompt_ids: str) -> None:
        """See :meth:`comfywire.Client.delete`."""
        _loop.wait(self._client.delete(*prompt_ids))

    def clear_queue(self) -> None:
        """See :meth:`comfywire.Client.clear_queue`."""
        _loop.wait(self._client.clear_queue())

    def history(self, prompt_id: str | None = None, *, max_items: int | None = 200) -> dict[str, Any]:
        """See :meth:`comfywire.Client.history`."""
        return _loop.wait(self._client.history(prompt_id, max_items=max_items))

    def delete_history(self, *prompt_ids: str) -> None:
        """See :meth:`comfywire.Client.delete_history`."""
        _loop.wait(self._client.delete_history(*prompt_ids))

    def clear_history(self) -> None:
        """See :meth:`comfywire.Client.clear_history`."""
        _loop.wait(self._client.clear_history())

    def interrupt(self, prompt_id: str | None = None) -> None:
        """See :meth:`comfywire.Client.interrupt`."""
        _loop.wait(self._client.interrupt(prompt_id))

    def free(self, *, unload_models: bool = True, free_memory: bool = True) -> None:
        """See :meth:`comfywire.Client.free`."""
        _loop.wait(self._client.free(unload_models=unload_models, free_memory=free_memory))

    def object_info(self, class_type: str | None = None) -> dict[str, Any]:
        """See :meth:`comfywire.Client.object_info`."""
        return _loop.wait(self._client.object_info(class_type))

    def system_stats(self) -> dict[str, Any]:
        """See :meth:`comfywire.Client.system_stats`."""
        return _loop.wait(self._client.system_stats())

    def features(self) -> dict[str, Any]:
        """See :meth:`comfywire.Client.features`."""
        return _loop.wait(self._client.features())

    def models(self, folder: str | None = None) -> list[str]:
        """See :meth:`comfywire.Client.models`."""
        return _loop.wait(self._client.models(folder))

    def embeddings(self) -> list[str]:
        """See :meth:`comfywire.Client.embeddings`."""
        return _loop.wait(self._client.embeddings())

    def upload(
        self,
        source: UploadSource,
        *,
        name: str | None = None,
        subfolder: str = "",
        type: str = "input",  # noqa: A002 (ComfyUI's word)
        overwrite: bool = False,
    ) -> Upload:
        """See :meth:`comfywire.Client.upload`."""
        uploading = self._client.upload(
            source, name=name, subfolder=subfolder, type=type, overwrite=overwrite
        )
        return _loop.wait(uploading)

    def upload_mask(self, source: UploadSource, original: HasPlace, *, name: str | None = None) -> Upload:
        """See :meth:`comfywire.Client.upload_mask`."""
        return _loop.wait(self._client.upload_mask(source, original, name=name))

    def view(
        self,
        filename: str,
        *,
        subfolder: str = "",
        type: str = "output",  # noqa: A002 (ComfyUI's word)
        preview: str | None = None,
        channel: str | None = None,
    ) -> bytes:
        """See :meth:`comfywire.Client.view`."""
        viewing = self._client.view(
            filename, subfolder=subfolder, type=type, preview=preview, channel=channel
        )
        return _loop.wait(viewing)
