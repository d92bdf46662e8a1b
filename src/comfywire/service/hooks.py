"""The operator's policy: hooks decide on each job before it is queued, and on each output before it is kept.

A hook is a Python object behind an entry point of the group ``comfywire.hooks``, or an HTTP server
(``Settings.hook_url``). The service asks one hook after another, and the first that objects decides.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Self

import httpx

from comfywire.errors import ComfywireError
from comfywire.service.access.callers import Caller
from comfywire.service.assets.references import with_values
from comfywire.service.jobs.records import JobRecord, NewJob

from .daemon_threads import DaemonThreads, NoThreadFree
from .settings import Settings

__all__ = ["GROUP", "BrokenHook", "Hooks", "HttpHook", "Refusal", "job_facts", "submission_facts"]

GROUP = "comfywire.hooks"
REASON_LENGTH = 500
MOST_CALLS = 32
"""Calls of plain functions at a time, each of which has a thread."""
MOST_CALLS_PER_KEY = 8
"""Of those, the calls about jobs of one key: a hook that hangs on them leaves threads for other keys."""
UPLOAD_RATE = 1 << 20
"""Bytes a second that an HTTP hook is expected to read: an output's upload prolongs its time accordingly."""
log = logging.getLogger("comfywire.service")


class BrokenHook(ComfywireError):
    """A hook could not be loaded, or answered something that is neither yes nor no."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A hook refuses a job, or could not be asked.

    Attributes:
        reason: Why, in the hook's words; in ours where a hook gave no answer.
        is_policy: False when a hook gave no answer, so that the same job may pass later.

    """

    reason: str
    is_policy: bool = True


def submission_facts(job: NewJob, caller: Caller) -> dict[str, Any]:
    """Return what a hook learns of a job that is being submitted: no ``extra_data``, which has secrets."""
    return {
        "id": str(job.id),
        "key": {"id": str(caller.key_id), "name": caller.name},
        "prompt": dict(with_values(job.prompt, job.files)),
        "targets": None if job.targets is None else list(job.targets),
        "labels": dict(job.labels),
        "priority": job.priority,
        "workflow": job.workflow_name,
        "workflow_version": job.workflow_version,
    }


def job_facts(job: JobRecord) -> dict[str, Any]:
    """Return what a hook learns of the job that made the output in question."""
    return {
        "id": str(job.id),
        "key": {"id": str(job.key_id)},
        "labels": dict(job.labels),
        "workflow": job.workflow_name,
        "workflow_version": job.workflow_version,
    }


class HttpHook:
    """A hook that the service asks by HTTP.

    ``on_submit`` POSTs ``{"hook": "on_submit", "job": {…}}``; ``on_result`` a multipart form with the fields
    ``facts`` (``{"hook": "on_result", "job": {…}, "output": {…}}``) and ``content``, the output's bytes. The
    hook answers ``{"allow": true}`` or ``{"allow": false, "reason": "…"}``; an error status or any other body
    counts as no answer.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx.AsyncClient(timeout=None, trust_env=False)  # noqa: S113 - Hooks bounds the whole call

    async def on_submit(self, job: Mapping[str, Any]) -> str | None:
        """Return why the job is refused, or None."""
        response = await self._client.post(self._url, json={"hook": "on_submit", "job": dict(job)})
        return _reason_in(response)

    async def on_result(self, facts: Mapping[str, Any], path: Path) -> str | None:
        """Return why the output is withheld, or None."""
        with path.open("rb") as content:
            response = await self._client.post(
                self._url,
                data={"facts": json.dumps({"hook": "on_result", **facts})},
                files={"content": (path.name, content, facts["output"]["content_type"])},
            )
        return _reason_in(response)

    async def aclose(self) -> None:
        """Close the connections to the hook."""
        await self._client.aclose()


class Hooks:
    """All hooks of a service.

    Args:
        hooks: Hooks by name; each has ``on_submit(job)``, ``on_result(facts, path)`` or both, which return
            the reason to refuse or withhold, or None. Coroutine functions run on the event loop, plain
            functions in threads.
        timeout: Seconds that each hook has; a hook over HTTP has more for the bytes of an output.
        fail_open: Whether a hook that raises, or is too slow, lets the job or output pass.

    """

    def __init__(self, hooks: Mapping[str, object], *, timeout: float = 5.0, fail_open: bool = False) -> None:
        self._hooks = dict(hooks)
        self._timeout = timeout
        self._fail_open = fail_open
        self._threads = DaemonThreads("hooks", most=MOST_CALLS, most_per_owner=MOST_CALLS_PER_KEY)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the hooks that are installed, and the HTTP hook of the settings.

        Raises:
            BrokenHook: An installed hook cannot be loaded; without it the operator's policy would have a
                hole that nobody sees.

        """
        hooks = _installed()
        if settings.hook_url is not None:
            hooks["the HTTP hook"] = HttpHook(settings.hook_url)
        return cls(hooks, timeout=settings.hook_timeout, fail_open=settings.hooks_fail_open)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for hook in self._hooks.values():
            if isinstance(hook, HttpHook):
                await hook.aclose()

    def names(self, question: str) -> Sequence[str]:
        """Return which hooks answer ``question``: ``on_submit`` or ``on_result``."""
        return [hook for hook, value in self._hooks.items() if hasattr(value, question)]

    async def on_submit(self, job: Mapping[str, Any]) -> Refusal | None:
        """Return why a job must not be queued, or None; :func:`submission_facts` makes ``job``.

        A hook in a thread cannot be cancelled: it runs to its end, and its answer is dropped.
        """
        return await self._first_objection("on_submit", dict(job))

    async def on_result(self, job: Mapping[str, Any], output: Mapping[str, Any], path: Path) -> str | None:
        """Return why an output must be withheld, or None.

        Args:
            job: What :func:`job_facts` returns.
            output: ``node_id``, ``class_type``, ``key``, ``kind``, ``name``, ``content_type`` and
                ``size_bytes``.
            path: The file that holds the output's bytes until the hooks have decided.

        """
        facts = {"job": dict(job), "output": dict(output)}
        objection = await self._first_objection("on_result", facts, path)
        return None if objection is None else objection.reason

    async def _first_objection(self, question: str, *arguments: Any) -> Refusal | None:
        for name in self.names(question):
            objection = await self._objection(name, question, *arguments)
            if objection is not None:
                return objection
        return None

    async def _objection(self, name: str, question: str, *arguments: Any) -> Refusal | None:
        hook = self._hooks[name]
        try:
            async with asyncio.timeout(self._seconds(hook, *arguments)):
                reason = await self._answer(getattr(hook, question), *arguments)
        except Exception as error:  # noqa: BLE001 - the operator's code may raise anything, and none of it is an answer
            return self._unanswered(name, error)
        return None if reason is None else Refusal(reason[:REASON_LENGTH])

    def _seconds(self, hook: object, facts: Mapping[str, Any], *_: object) -> float:
        """Return how long a hook has; an HTTP hook must receive the output's bytes before it can answer."""
        size = facts.get("output", {}).get("size_bytes", 0) if isinstance(hook, HttpHook) else 0
        return self._timeout + float(size) / UPLOAD_RATE

    async def _answer(self, hook: Callable[..., Any], *arguments: Any) -> str | None:
        if inspect.iscoroutinefunction(hook):
            reason = await hook(*arguments)
        else:
            reason = await self._threads.run(lambda: hook(*arguments), owner=_key_in(arguments[0]))
            if isinstance(reason, Awaitable):
                reason = await reason
        if reason is not None and not isinstance(reason, str):
            raise BrokenHook(f"a hook answered {type(reason).__name__}, not a reason (str) or None")
        return reason or None

    def _unanswered(self, name: str, error: Exception) -> Refusal | None:
        what = _in_words(error)
        log.error("hook %s %s, so everything is %s", name, what, "let pass" if self._fail_open else "stopped")
        if self._fail_open:
            return None
        return Refusal(f"the operator's hook {name!r} {what}: try again later, or ask them", is_policy=False)


def _in_words(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "took too long"
        case NoThreadFree():
            return "has not answered so many calls that it is asked no more"
        case _:
            return f"failed ({type(error).__name__})"


def _key_in(facts: Mapping[str, Any]) -> object:
    """Return the id of the key whose job a hook is asked about, which owns the hook's thread."""
    return facts.get("job", facts).get("key", {}).get("id")


def _reason_in(response: httpx.Response) -> str | None:
    if not response.is_success:
        raise BrokenHook(f"the HTTP hook answered {response.status_code}")
    match response.json():
        case {"allow": True}:
            return None
        case {"allow": False, **more}:
            return str(more.get("reason") or "no reason was given")
        case _:
            raise BrokenHook('the HTTP hook must answer {"allow": true} or {"allow": false, "reason": "…"}')


def _installed() -> dict[str, object]:
    return {entry.name: _loaded(entry.name, entry.load) for entry in entry_points(group=GROUP)}


def _loaded(name: str, load: Callable[[], object]) -> object:
    try:
        hook = load()
    except Exception as error:
        raise BrokenHook(f"hook {name!r} cannot be loaded: {error}; repair or uninstall it") from error
    if not hasattr(hook, "on_submit") and not hasattr(hook, "on_result"):
        raise BrokenHook(f"hook {name!r} has neither on_submit nor on_result: repair or uninstall it")
    return hook
