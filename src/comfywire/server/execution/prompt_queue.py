"""The heap of pending prompts, the running one, and the history (execution.py, PromptQueue, 0.3.64)."""

from __future__ import annotations

import copy
import heapq
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["MAXIMUM_HISTORY_SIZE", "MAXIMUM_PENDING", "PromptQueue", "QueueItem"]

MAXIMUM_HISTORY_SIZE = 10_000
MAXIMUM_PENDING = 50_000
"""Ours; ComfyUI takes prompts until it has no memory left."""
SECRETS = ("auth_token_comfy_org", "api_key_comfy_org")

# (number, prompt_id, prompt, extra_data, outputs_to_execute): a tuple, since the heap compares it and clients
# see it as it is.
QueueItem = tuple[float, str, dict[str, Any], dict[str, Any], list[str]]


class PromptQueue:
    """What waits, what runs and what ended, behind one lock.

    Args:
        changed: Called whenever the number of prompts may have changed; ComfyUI broadcasts ``status`` then.

    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.mutex = threading.RLock()
        self._not_empty = threading.Condition(self.mutex)
        self._changed = changed
        self._task_counter = 0
        self.pending: list[QueueItem] = []
        self.running: dict[int, QueueItem] = {}
        self.history: dict[str, dict[str, Any]] = {}
        self._secrets: dict[tuple[float, str], dict[str, Any]] = {}
        self._flags: dict[str, Any] = {}
        self._is_closed = False

    def put(self, item: QueueItem, secrets: dict[str, Any] | None = None) -> None:
        """Queue ``item``; ``secrets`` are for its nodes, and are not seen in the queue or the history.

        Raises:
            TypeError: Another pending prompt has the same number and id, so that the heap compares two
                dicts. The item is in the queue nevertheless, as on a real server.

        """
        with self.mutex:
            if secrets:
                self._secrets[item[0], item[1]] = secrets
            heapq.heappush(self.pending, item)
            self._changed()
            self._not_empty.notify()

    def get(self) -> tuple[QueueItem, int] | None:
        """Wait for the next prompt and mark it running; None when a flag was set or the queue was closed."""
        with self._not_empty:
            while not self.pending:
                if self._is_closed or self._flags:
                    return None
                self._not_empty.wait()
            if self._is_closed:
                return None
            item = heapq.heappop(self.pending)
            task = self._task_counter
            self._task_counter += 1
            # The executor writes is_changed into the graph it runs; the queue and history show a clean copy.
            self.running[task] = copy.deepcopy(item)
            self._changed()
            return self._with_secrets(item), task

    def _with_secrets(self, item: QueueItem) -> QueueItem:
        """The nodes get what the queue does not show (main.py, prompt_worker, 0.33.0)."""
        number, prompt_id, prompt, extra_data, outputs = item
        secrets = self._secrets.pop((number, prompt_id), None)
        return item if secrets is None else (number, prompt_id, prompt, {**extra_data, **secrets}, outputs)

    def task_done(self, task: int, entry: dict[str, Any]) -> None:
        """Move a running prompt into history, under one lock, and tell everybody."""
        with self.mutex:
            prompt = self.running.pop(task)
            if len(self.history) > MAXIMUM_HISTORY_SIZE:
                self.history.pop(next(iter(self.history)))
            for secret in SECRETS:
                prompt[3].pop(secret, None)
            self.history[prompt[1]] = {"prompt": prompt, **entry}
            self._changed()

    def remaining(self) -> int:
        """Return how many prompts run or wait."""
        with self.mutex:
            return len(self.pending) + len(self.running)

    def is_running(self, prompt_id: str) -> bool:
        """Tell whether this prompt runs now."""
        with self.mutex:
            return any(item[1] == prompt_id for item in self.running.values())

    def snapshot(self) -> tuple[list[QueueItem], list[QueueItem]]:
        """Return the running and the pending prompts, these in the order of the heap."""
        with self.mutex:
            return list(self.running.values()), list(self.pending)

    def wipe(self) -> None:
        """Forget every pending prompt."""
        with self.mutex:
            self.pending = []
            self._secrets = {}
            self._changed()

    def delete(self, prompt_id: str) -> bool:
        """Forget one pending prompt; a running or unknown id changes nothing."""
        with self.mutex:
            for index, item in enumerate(self.pending):
                if item[1] == prompt_id:
                    self._secrets.pop((item[0], prompt_id), None)
                    if len(self.pending) == 1:
                        self.wipe()  # which makes it two broadcasts, as in delete_queue_item
                    else:
                        self.pending.pop(index)
                        heapq.heapify(self.pending)
                    self._changed()
                    return True
        return False

    def history_page(self, max_items: int | None, offset: int) -> dict[str, Any]:
        """Return finished prompts, oldest first: the newest ``max_items``, or as many from ``offset``."""
        with self.mutex:
            if offset < 0 and max_items is not None:
                offset = len(self.history) - max_items
            page: dict[str, Any] = {}
            for index, (prompt_id, entry) in enumerate(self.history.items()):
                if index >= offset:
                    page[prompt_id] = entry
                    if max_items is not None and len(page) >= max_items:
                        break
            return page

    def history_of(self, prompt_id: str) -> dict[str, Any]:
        """Return ``{prompt_id: entry}``, or ``{}`` as long as it has not ended."""
        with self.mutex:
            entry = self.history.get(prompt_id)
            return {} if entry is None else {prompt_id: entry}

    def forget(self, prompt_id: str | None = None) -> None:
        """Drop one history entry, or all of them."""
        with self.mutex:
            if prompt_id is None:
                self.history = {}
            else:
                self.history.pop(prompt_id, None)

    def set_flag(self, name: str, value: object) -> None:
        """Leave a wish of POST /free for the worker."""
        with self.mutex:
            self._flags[name] = value
            self._not_empty.notify()

    def take_flags(self) -> dict[str, Any]:
        """Return the wishes and forget them."""
        with self.mutex:
            flags, self._flags = self._flags, {}
            return flags

    def close(self) -> None:
        """Send the worker home; what is pending stays pending."""
        with self.mutex:
            self._is_closed = True
            self._not_empty.notify_all()

    @property
    def is_closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._is_closed
