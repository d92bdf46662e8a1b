"""Queueing a prompt once: whatever becomes of the reply, it never runs twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from comfywire.errors import (
    ComfywireError,
    ConnectionFailed,
    ConnectionLost,
    ServerError,
    UnexpectedReply,
    WorkflowRejected,
)
from comfywire.transport.http import Http

# What puts refusals into words is imported when there is one.
from .cancelling import Canceller
from .catalogue import Catalogue
from .follower import Follower
from .patience import Patience
from .watch import Watch

__all__ = ["Submitter"]

TRIES = 3
WITHDRAWAL_TIMEOUT = 10.0
"""Seconds that a cancelled submission may take to withdraw what it queued."""
PASSING = frozenset({502, 503, 504})
"""What proxies answer while a server starts or is busy: worth another try once it is known not to have it."""


class Submitter:
    """Posts one prompt, and finds out what became of it when the reply does not say."""

    def __init__(
        self,
        http: Http,
        follower: Follower,
        *,
        canceller: Canceller,
        catalogue: Catalogue,
        patience: Patience,
    ) -> None:
        self._http = http
        self._patience = patience
        self._catalogue = catalogue
        self._follower = follower
        self._canceller = canceller

    async def submit(
        self,
        prompt_id: str,
        graph: Mapping[str, Any],
        extra: Mapping[str, Any],
        *,
        before_post: Callable[[], None] | None = None,
    ) -> tuple[Watch, dict[str, Any]]:
        """Return the queued prompt, and what the validator dropped from it.

        When this is cancelled, what was queued is withdrawn before the cancellation goes on. What
        ``before_post`` raises ends this, with nothing queued by the request that it precedes.

        Raises:
            WorkflowRejected: The validator refused it; nothing is queued.
            ConnectionFailed: The server was not reached; nothing is queued.
            ConnectionLost, ServerError: It could not be queued, and is not.

        """
        for last_try in [False] * (TRIES - 1) + [True]:
            if before_post is not None:
                before_post()
            watch = self._follower.expect(prompt_id, graph, extra.get("partial_execution_targets"))
            try:
                reply = await self._post(watch, {"prompt": graph, "prompt_id": prompt_id, **extra})
            except ConnectionFailed:
                self._follower.forget(prompt_id)
                raise
            except (ConnectionLost, ServerError, UnexpectedReply) as error:
                await self._raise_if_rejected(error, prompt_id, graph)
                if await self._arrived(watch):
                    return watch, {}
                await self._raise_if_it_may_have_run(watch, error)
                if last_try or not _may_pass(error):
                    raise
                continue
            return self._accepted(watch, graph, reply)
        raise AssertionError("the last try returns or raises")

    def _accepted(
        self, watch: Watch, graph: Mapping[str, Any], reply: object
    ) -> tuple[Watch, dict[str, Any]]:
        reply = reply if isinstance(reply, dict) else {}
        given = reply.get("prompt_id")
        if isinstance(given, str) and given != watch.tracked.prompt_id:
            # Servers before 0.3.45 choose the id themselves.
            self._follower.forget(watch.tracked.prompt_id)
            watch = self._follower.expect(given, graph)
        self._follower.accepted(watch.tracked.prompt_id)
        node_errors = reply.get("node_errors")
        return watch, dict(node_errors) if isinstance(node_errors, dict) else {}

    async def _post(self, watch: Watch, body: dict[str, Any]) -> Any:
        body["client_id"] = watch.tracked.client_id
        posting = asyncio.create_task(self._http.post_json("/prompt", body), name="comfywire submit")
        try:
            return await self._reply(watch, posting)
        except asyncio.CancelledError:
            withdrawal = asyncio.create_task(self._withdraw(watch, posting), name="comfywire withdraw")
            await asyncio.wait([withdrawal])
            raise

    async def _reply(self, watch: Watch, posting: asyncio.Task[Any]) -> Any:
        """Wait for the reply, but not for ever where messages show that the prompt is queued."""
        while True:
            done, _ = await asyncio.wait({posting}, timeout=self._patience.reply)
            if done:
                return posting.result()
            if watch.settled.is_set():
                posting.cancel()
                raise ConnectionLost(f"the reply to prompt {watch.tracked.prompt_id} did not come")

    async def _withdraw(self, watch: Watch, posting: asyncio.Task[Any]) -> None:
        """The caller has gone away in the middle of the request: leave nothing behind."""
        try:
            async with asyncio.timeout(WITHDRAWAL_TIMEOUT):
                try:
                    self._accepted(watch, watch.tracked.graph, await posting)
                except (ConnectionLost, UnexpectedReply):
                    if not await self._arrived(watch):
                        return
                await self._canceller.cancel(watch)
        except (ComfywireError, TimeoutError):
            return  # rejected, unreachable: nothing is queued, or nothing can be done about it
        finally:
            self._follower.forget(watch.tracked.prompt_id)

    async def _arrived(self, watch: Watch) -> bool:
        """Look for the prompt whose reply was lost; True if the server has, or had, it."""
        self._follower.doubt(watch.tracked.prompt_id, self._patience.arrival)
        await watch.settled.wait()
        if watch.failure is not None:
            raise watch.failure
        return not watch.tracked.has_vanished or watch.tracked.last_seen is not None

    async def _raise_if_it_may_have_run(self, watch: Watch, error: ComfywireError) -> None:
        """A prompt that is nowhere has not arrived, unless the server has forgotten what it ran."""
        has_stayed_up = await self._follower.has_stayed_up()
        if has_stayed_up is False or (has_stayed_up is None and watch.tracked.has_missed):
            raise ConnectionLost(
                f"the reply to prompt {watch.tracked.prompt_id} was lost; the server does not have it now, "
                "but has forgotten its history, and may have run it before: submit it again if that is well"
            ) from error

    async def _raise_if_rejected(
        self, error: ComfywireError, prompt_id: str, graph: Mapping[str, Any]
    ) -> None:
        if not isinstance(error, ServerError) or not 400 <= error.status < 500:
            return
        self._follower.forget(prompt_id)
        rejection = _rejection(error)
        if rejection is None:
            raise error
        from comfywire.workflow.validation.rejection import sentences  # noqa: PLC0415

        what, node_errors = rejection
        completed = await self._with_choices(node_errors)
        raise WorkflowRejected(what, node_errors, sentences(what, completed, graph)) from error

    async def _with_choices(self, node_errors: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask for the choices that the server left out, so that the nearest one can be named."""
        from comfywire.workflow.validation.rejection import types_wanted, with_choices  # noqa: PLC0415

        wanted = types_wanted(node_errors)
        if not wanted:
            return node_errors
        try:
            return with_choices(node_errors, await self._catalogue.of(wanted))
        except ComfywireError:
            return node_errors  # the rejection is the news; a hint is not worth another error


def _rejection(refused: ServerError) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the server's ``error`` and ``node_errors``, if that is what it answered."""
    try:
        reply = json.loads(refused.body)
    except ValueError:
        return None
    error = reply.get("error") if isinstance(reply, dict) else None
    if not isinstance(error, dict):
        return None
    node_errors = reply.get("node_errors")
    return error, node_errors if isinstance(node_errors, dict) else {}


def _may_pass(error: ComfywireError) -> bool:
    return not isinstance(error, ServerError) or error.status in PASSING
