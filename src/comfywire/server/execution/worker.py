"""The one thread that runs prompts, one after the other (main.py, prompt_worker, 0.3.64)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING

from comfywire.server.execution.executor import PromptExecutor
from comfywire.server.execution.interruption import WorkerDied, WorkerStopped
from comfywire.server.execution.run_log import MAXIMUM_LOG_SIZE, Run
from comfywire.server.messages.publisher import Message

if TYPE_CHECKING:
    from comfywire.server.execution.prompt_queue import PromptQueue, QueueItem
    from comfywire.server.execution.surroundings import PromptSurroundings

__all__ = ["PromptWorker"]

log = logging.getLogger("comfywire.server")


class PromptWorker:
    """Takes prompts from the queue and runs them until the server stops, or until something escapes.

    Args:
        around: What the prompts find around them.
        queue: Where they come from.
        runs: The log to append to.
        join_timeout: Seconds for a node that sleeps on its own, when the server stops; the thread is a daemon
            and ends with the process.

    Attributes:
        is_at_work: Whether there is something about a prompt that it has not said yet: it tells the end of
            one that has left the queue already.

    """

    def __init__(
        self, around: PromptSurroundings, queue: PromptQueue, runs: list[Run], *, join_timeout: float
    ) -> None:
        self._join_timeout = join_timeout
        self._around = around
        self._queue = queue
        self._runs = runs
        self._executor = PromptExecutor(around)
        self._server_loop = asyncio.get_running_loop()
        self._loop = asyncio.new_event_loop()
        self._current: asyncio.Task[None] | None = None
        self.is_at_work = False
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="comfywire server: worker", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def stop(self) -> None:
        """Stop after the step that is under way, and wait for the thread."""
        self._queue.close()
        self._around.interruption.stop()
        with contextlib.suppress(RuntimeError):  # closed already: the worker has died
            self._loop.call_soon_threadsafe(self._cancel)
        try:
            await asyncio.wait_for(self._ended.wait(), self._join_timeout)
        except TimeoutError:
            log.warning("a node does not let go; its thread is left behind")
        else:
            self._thread.join()

    def _cancel(self) -> None:
        if self._current is not None:
            self._current.cancel()

    def _run(self) -> None:
        try:
            while not self._queue.is_closed:
                taken = self._queue.get()
                if taken is not None:
                    self._run_prompt(*taken)
                if self._queue.take_flags().get("free_memory"):
                    self._executor.reset()
        except WorkerStopped:
            pass
        except (Exception, WorkerDied):
            # Whatever escapes kills the only worker; HTTP goes on answering (main.py has no guard here).
            log.exception("the worker died; nothing will run until the server is restarted")
        finally:
            self._loop.close()
            with contextlib.suppress(RuntimeError):  # nobody waits any more if that loop is closed
                self._server_loop.call_soon_threadsafe(self._ended.set)

    def _run_prompt(self, item: QueueItem, task: int) -> None:
        number, prompt_id, _, extra_data, _ = item
        client_id = extra_data.get("client_id") if isinstance(extra_data, dict) else None
        # The queue's copy, not the one that the executor writes into.
        prompt = self._queue.running[task][2]
        run = Run(prompt_id, client_id, number, start=time.time(), prompt=prompt)
        del self._runs[: 1 - MAXIMUM_LOG_SIZE]
        self._runs.append(run)
        self._around.current.prompt_id = prompt_id
        self.is_at_work = True
        try:
            self._loop.run_until_complete(self._execute(item, task, run))
        except (WorkerStopped, asyncio.CancelledError) as error:
            run.how = "stopped"
            run.end = time.time()
            raise WorkerStopped from error
        except (Exception, WorkerDied):
            run.how = "died"
            raise
        self.is_at_work = False

    async def _execute(self, item: QueueItem, task: int, run: Run) -> None:
        self._current = asyncio.current_task()
        try:
            entry = await self._executor.execute(item, run)
        finally:
            self._current = None
            await self._end_tasks()
        self._around.interruption.wait(self._around.tricks.lateness(item[1]))
        end = time.time()
        self._queue.task_done(task, entry)
        client_id = self._around.current.client_id
        if client_id is not None:
            # After history was written, and only now (main.py, prompt_worker).
            payload = {"node": None, "prompt_id": item[1]}
            self._around.send(Message("executing", payload, client_id, item[1]))
        run.end = end

    async def _end_tasks(self) -> None:
        """Cancel async nodes that a failed prompt left running, as asyncio.run does in ComfyUI."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            await asyncio.gather(*left, return_exceptions=True)
