"""``/mcp``: MCP's streamable HTTP, both revisions, without sessions; any process answers any request."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import wraps
from importlib.metadata import version
from typing import Any, ParamSpec, TypeAlias, TypeVar

from fastapi.exceptions import RequestValidationError
from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.streamable_http import REQUEST_CANCELLED
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    CallToolRequestParams,
    CancelledNotificationParams,
    ListResourcesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from comfywire.errors import ComfywireError
from comfywire.service.api.admission import read_apart
from comfywire.service.api.context import get_caller, origin_of
from comfywire.service.api.errors import error_response
from comfywire.service.core import Core
from comfywire.service.jobs.records import JobRecord

from .desk import Desk, Progress, must_be_kept, told_of
from .handshake import Calls, NewsStreams, with_session
from .news import WorkflowNews
from .resources import list_resources, read_resource
from .tasks import TASKS, TaskParams, cancel_task, created, get_task, wants_tasks

__all__ = ["Face"]

INSTRUCTIONS = """Each run_ tool runs one ComfyUI workflow as a job. A call answers when the job has ended,
or after a while with the job's id: then call wait_for_job. Files are given by URL or by asset_id."""
ON_CANCEL = "comfywire/onCancel"
ON_DISCONNECT = "comfywire-on-disconnect"
log = logging.getLogger("comfywire.service")
# Each request has a manager of its own, which would tell of its start and its end.
logging.getLogger("mcp.server.streamable_http_manager").setLevel(logging.WARNING)
Context: TypeAlias = "ServerRequestContext[Any, Any]"
P = ParamSpec("P")
R = TypeVar("R")


def _plainly(handler: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Have errors answered in their words, and those that nobody expected in general ones.

    The package answers old clients with the words of any error, a database's too, and new ones with none.
    """

    @wraps(handler)
    async def answering(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await handler(*args, **kwargs)
        except MCPError:
            raise
        except ComfywireError as error:
            raise MCPError(code=INVALID_REQUEST, message=str(error)) from error
        except Exception as error:
            told = error_response(error)
            if told.status_code == 500:
                log.exception("%s failed", handler.__qualname__)
            words = json.loads(bytes(told.body))["error"]["message"]
            raise MCPError(code=INTERNAL_ERROR, message=words) from error

    return answering


class _Server(Server[Any]):
    """The package's server, which says in the handshake of old that changed lists are told."""

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        told = notification_options or NotificationOptions(tools_changed=True, resources_changed=True)
        return super().create_initialization_options(told, experimental_capabilities, extensions)


class Face:
    """The ASGI application behind ``/mcp``.

    Requests share nothing but this object, so that any number of processes may serve it, and a restart ends
    nothing but the answers that are under way.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._working: set[asyncio.Task[HandlerResult]] = set()
        self._calls = Calls()
        news = WorkflowNews(core.database)
        self._streams = NewsStreams(core, news)
        self._listening = ListenHandler(news)
        core.broker.on_close(self._listening.close)
        self._server = _Server(
            "comfywire",
            version=version("comfywire"),
            instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_list_resources=self._list_resources,
            on_read_resource=self._read_resource,
            on_subscriptions_listen=self._listen,
        )
        self._server.extensions = {TASKS: {}}
        self._server.add_request_handler("tools/call", CallToolRequestParams, self._call_tool)
        self._server.add_request_handler("tasks/get", TaskParams, self._get_task)
        self._server.add_request_handler("tasks/cancel", TaskParams, self._cancel_task)
        self._server.add_notification_handler(
            "notifications/cancelled", CancelledNotificationParams, self._cancel_call
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it for its key."""
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except Exception as error:  # noqa: BLE001 - answered here: FastAPI's handlers are for its own routes
            answer = error_response(error)
        if answer is not None:
            await answer(scope, receive, send)
            return
        manager = StreamableHTTPSessionManager(
            self._server, stateless=True, max_request_body_size=self._core.settings.max_body_bytes
        )
        async with manager.run():
            replay = _read_before(await request.body(), receive)
            await manager.handle_request(scope, replay, with_session(request.headers, send))

    async def _answer(self, request: Request) -> Response | None:
        """Return the answer to what is no request of the protocol; None for those that are."""
        if request.method not in ("POST", "GET", "DELETE"):
            return Response(status_code=405, headers={"Allow": "POST, GET, DELETE"})
        caller = await get_caller(request)
        if not caller.may("submit"):
            caller.must("read")  # a key for ComfyUI's own API alone is for nothing here
        match request.method:
            case "GET":
                caller.must("read")
                return self._streams.one(caller)
            case "DELETE":  # the end of a session, of which nothing was kept
                return Response(status_code=204)
        # The package parses it once more, on the event loop, and says what is no JSON.
        with contextlib.suppress(RequestValidationError):
            await read_apart(await request.body())
        return None

    def _desk(self, ctx: Context) -> Desk:
        request = ctx.request
        assert isinstance(request, Request), "requests come over HTTP"
        return Desk(self._core, request.state.caller, origin_of(request))

    @_plainly
    async def _list_tools(self, ctx: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        del params
        return ListToolsResult(tools=await self._desk(ctx).tools())

    @_plainly
    async def _call_tool(self, ctx: Context, params: CallToolRequestParams) -> HandlerResult:
        return await self._apart(ctx, self._called(ctx, params))

    async def _apart(self, ctx: Context, work: Coroutine[Any, Any, HandlerResult]) -> HandlerResult:
        """Return what ``work`` gives; when this is cancelled, ``work`` is, too, once, and ends by itself.

        The package's requests end by AnyIO's scopes, which cancel again and again until nothing waits any
        more: connections to the database would be closed in the middle of a query.
        """
        working = asyncio.create_task(work, name="comfywire mcp call")
        self._working.add(working)
        working.add_done_callback(self._working.discard)
        request = ctx.request
        assert isinstance(request, Request), "requests come over HTTP"
        try:
            with self._calls.one(request, ctx.request_id, working):
                return await asyncio.shield(working)
        except asyncio.CancelledError:
            if working.cancelled():  # by a notification, and not with this request
                raise MCPError(code=REQUEST_CANCELLED, message="the request was canceled") from None
            working.cancel()
            raise

    async def _called(self, ctx: Context, params: CallToolRequestParams) -> HandlerResult:
        desk, arguments = self._desk(ctx), params.arguments or {}

        async def told(job: JobRecord) -> None:
            value = 0.0 if job.progress is None else float(job.progress.get("value") or 0.0)
            await ctx.session.report_progress(value, 1.0, f"job {job.id} is {job.state.value}")

        try:
            must_be_kept(arguments)
            job = await desk.submitted(params.name, arguments)
            if job is None:
                return await desk.call(params.name, arguments, told)
            # A key that may not read could never ask how its task stands.
            if wants_tasks(ctx.session.client_capabilities) and desk.caller.may("read"):
                return created(job)
            return await desk.result(await self._waited(ctx, desk, job, told))
        except ComfywireError as error:
            return told_of(error)

    async def _waited(self, ctx: Context, desk: Desk, job: JobRecord, told: Progress) -> JobRecord:
        try:
            return await desk.waited(job, told)
        except asyncio.CancelledError:
            if _cancels(ctx):
                await self._core.store.cancel(job.id, "the agent's request was canceled")
            raise

    async def _cancel_call(self, ctx: Context, params: CancelledNotificationParams) -> None:
        assert isinstance(ctx.request, Request), "requests come over HTTP"
        self._calls.cancel(ctx.request, params.request_id)

    @_plainly
    async def _list_resources(
        self, ctx: Context, params: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        del params
        return ListResourcesResult(resources=await list_resources(self._desk(ctx)))

    @_plainly
    async def _read_resource(self, ctx: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        return await read_resource(self._desk(ctx), str(params.uri))

    @_plainly
    async def _get_task(self, ctx: Context, params: TaskParams) -> HandlerResult:
        return await get_task(self._desk(ctx), params.task_id)

    @_plainly
    async def _listen(
        self, ctx: Context, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        with self._core.streams.one(self._desk(ctx).caller):
            return await self._listening(ctx, params)

    @_plainly
    async def _cancel_task(self, ctx: Context, params: TaskParams) -> HandlerResult:
        return await cancel_task(self._desk(ctx), params.task_id)


def _read_before(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read once more, and then what ``receive`` gives."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _cancels(ctx: Context) -> bool:
    """Whether the caller wants the job of a request to end with the request; by default it goes on."""
    meta: Mapping[str, Any] = ctx.meta or {}
    said = meta.get(ON_CANCEL) or (ctx.request.headers.get(ON_DISCONNECT) if ctx.request else None)
    return said == "cancel"
