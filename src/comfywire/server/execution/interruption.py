"""The one flag that interrupts whatever runs (comfy/model_management.py, 0.3.64)."""

from __future__ import annotations

import threading

__all__ = ["Interruption", "PromptInterrupted", "WorkerDied", "WorkerStopped"]


class PromptInterrupted(Exception):
    """The running prompt was interrupted."""


class WorkerStopped(BaseException):
    """The server is going away, or was killed: the prompt ends without a trace.

    A BaseException, so that no node's ``except Exception`` swallows it.
    """


class WorkerDied(BaseException):
    """A fault takes the worker's thread along, past every guard."""


class Interruption:
    """Says between steps whether to go on, and sleeps so that both an interrupt and the end cut it short."""

    def __init__(self) -> None:
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._is_interrupted = False
        self._is_stopped = False

    def interrupt(self) -> None:
        """Interrupt the prompt that runs, or the next one's first step if none does."""
        self._is_interrupted = True
        self._wake.set()

    def reset(self) -> None:
        """Forget an interrupt that came between prompts (execution.py, execute_async: it is lost)."""
        self._is_interrupted = False
        if not self._is_stopped:
            self._wake.clear()

    def stop(self) -> None:
        """End the worker at its next step."""
        self._is_stopped = True
        self._stopping.set()
        self._wake.set()

    def check(self) -> None:
        """Return when the prompt may go on.

        Raises:
            PromptInterrupted: It may not; the flag is taken down.
            WorkerStopped: The server is going away.

        """
        if self._is_stopped:
            raise WorkerStopped
        if self._is_interrupted:
            self.reset()
            raise PromptInterrupted

    def wait(self, seconds: float) -> None:
        """Sleep where no interrupt counts; only the end does."""
        if seconds > 0:
            self._stopping.wait(seconds)
        if self._is_stopped:
            raise WorkerStopped

    def sleep(self, seconds: float) -> None:
        """Sleep in the worker's thread, and look once at the end; an interrupt ends it at once."""
        if seconds > 0:
            self._wake.wait(seconds)
        self.check()
