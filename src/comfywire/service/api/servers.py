"""The fleet and the queue over HTTP: keys for ``read`` may look, keys for ``admin`` may switch."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import Response

from comfywire.service.core import Core
from comfywire.service.database.storable import must_be_text
from comfywire.service.jobs.overview import UnknownServer
from comfywire.service.settings import MOST_SLOTS

from .admission import key_first_router
from .context import Administering, Reading, Service, origin_of

__all__ = ["router"]

router = key_first_router("/api/v2", tag="servers")
COUNTED = "When the jobs that wait were counted: now, or some seconds ago where more than 5,000 do."


class Server(BaseModel):
    """A ComfyUI, as the worker that looks after it last saw it."""

    model_config = ConfigDict(from_attributes=True)

    url: str
    state: Annotated[
        str,
        Field(
            description="`up`, `down`, `broken`: too many jobs in a row failed on it, `stuck`: it does not "
            "let go of a prompt, or begins none, or `gone` for good."
        ),
    ]
    wanted: Annotated[str, Field(description="`active`, `paused` or `drained`: it takes no more jobs.")]
    reason: Annotated[str, Field(description="Why it is not up.")]
    tags: list[str]
    version: str | None
    devices: list[Any]
    loaded: Annotated[list[str], Field(description="Models that its last jobs used.")]
    running: Annotated[int, Field(description="Prompts of ours.")]
    pending: Annotated[int, Field(description="Prompts of ours.")]
    foreign_prompts: Annotated[int, Field(description="Other people's.")]
    counts: dict[str, int]
    worker: str | None
    running_since: Annotated[datetime | None, Field(description="Since when it runs what it runs of ours.")]
    seen_at: datetime
    changed_at: datetime
    is_heard: Annotated[bool, Field(description="Whether a worker looks after it at present.")]
    is_empty: Annotated[
        bool, Field(description="Whether it has no job of ours: one that is drained may be stopped then.")
    ]
    is_added: Annotated[
        bool, Field(description="Whether it was added over this API; `DELETE /servers` takes it away then.")
    ]
    is_removed: Annotated[bool, Field(description="Whether it was taken away, and goes with its last job.")]


class WaitingNeed(BaseModel):
    """Waiting jobs that need the same of a server."""

    model_config = ConfigDict(from_attributes=True)

    need: str
    count: int
    oldest: datetime
    tags: list[str]
    models: list[str]


class Demand(BaseModel):
    """The jobs of all keys that wait for servers, by need: what an autoscaler goes by."""

    model_config = ConfigDict(from_attributes=True)

    needs: Annotated[list[WaitingNeed], Field(description="The largest first, 200 at most.")]
    by_tag: Annotated[dict[str, int], Field(description='Jobs by tag; `""` has those without one.')]
    by_model: Annotated[dict[str, int], Field(description="Jobs by model file.")]
    as_of: Annotated[datetime, Field(description=COUNTED)]


class Servers(BaseModel):
    """All ComfyUIs, by URL."""

    servers: list[Server]
    waiting: Annotated[
        Demand | None, Field(description="What waits for servers; only for keys for `admin`.")
    ] = None


class Named(BaseModel):
    """The server to switch."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(max_length=2048), AfterValidator(must_be_text)]


Tag = Annotated[
    str, Field(max_length=100, pattern=r"^[^\s,#](?:[^,#]*[^\s,#])?$"), AfterValidator(must_be_text)
]


class NewServer(BaseModel):
    """A ComfyUI to run jobs on."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2048,
            description="With `user:password@` or `?token=` if it wants that: kept encrypted, and not shown.",
        ),
        AfterValidator(must_be_text),
    ]
    tags: Annotated[list[Tag], Field(max_length=50, description="Words by which jobs ask for it.")] = []
    slots: Annotated[
        int | None,
        Field(ge=1, le=MOST_SLOTS, strict=True, description="Jobs at a time; null for `--slots`."),
    ] = None


class QueueState(BaseModel):
    """How many jobs wait and run, of all keys together."""

    model_config = ConfigDict(from_attributes=True)

    paused: bool
    queued: int
    running: int
    canceling: int
    oldest: Annotated[datetime | None, Field(description="Since when the oldest that waits does.")]
    as_of: Annotated[datetime, Field(description=COUNTED)]


class WaitingJobs(BaseModel):
    """Jobs of one key that wait at one priority."""

    model_config = ConfigDict(from_attributes=True)

    priority: int
    key_id: UUID
    key_name: str
    count: int
    oldest: Annotated[datetime, Field(description="Since when the oldest of them waits.")]
    is_held: Annotated[
        bool, Field(description="Whether some wait for others of their key, which may run no more at once.")
    ]


class WaitingList(BaseModel):
    """What waits of all keys."""

    model_config = ConfigDict(from_attributes=True)

    waiting: Annotated[list[WaitingJobs], Field(description="The highest priority first, 200 at most.")]
    as_of: Annotated[datetime, Field(description=COUNTED)]


class Moved(BaseModel):
    """What is to begin next."""

    model_config = ConfigDict(extra="forbid")

    key_id: UUID
    priority: Annotated[int, Field(ge=-20, le=20, strict=True)]


class MovedCount(BaseModel):
    """What was moved."""

    count: Annotated[int, Field(description="Jobs; those that are held, or were taken meanwhile, are not.")]


WANTED = {"pause": "paused", "resume": "active", "drain": "drained"}


@router.get("/servers", operation_id="listServers")
async def list_servers(core: Service, caller: Reading) -> Servers:
    """List the ComfyUIs and how they are; a key for `admin` also gets the jobs that wait for them."""
    waiting = await core.operating.demand() if caller.may("admin") else None
    return Servers(
        servers=[Server.model_validate(server) for server in await core.operating.servers()],
        waiting=None if waiting is None else Demand.model_validate(waiting),
    )


@router.post("/servers", operation_id="addServer", status_code=201)
async def add_server(request: Request, body: NewServer, core: Service, _: Administering) -> Server:
    """Have jobs run on another ComfyUI: a worker looks after it within seconds, and it is kept over restarts.

    One worker has it, the first that takes it up. A ComfyUI that only some workers reach is named with
    `--server` where these are started.
    """
    url = await core.added_servers.add(body.url, tags=body.tags, slots=body.slots, own=_own(request, core))
    return Server.model_validate(await core.operating.server(url))


def _own(request: Request, core: Core) -> set[str]:
    """Return hosts and ports at which this very service answers, as far as a request shows."""
    host, port = request.scope.get("server") or ("", None)
    reached = [host, core.settings.host or "::"] if port is not None else []
    at = {f"[{one}]:{port}" if ":" in one else f"{one}:{port}" for one in reached}
    return at | {urlsplit(origin_of(request)).netloc}


@router.delete("/servers", operation_id="removeServer", status_code=204)
async def remove_server(
    url: Annotated[str, Query(max_length=2048), AfterValidator(must_be_text)],
    core: Service,
    _: Administering,
) -> Response:
    """Take a server away that was added over this API; it takes no more jobs, and those on it end there."""
    if not await core.added_servers.remove(url):
        raise UnknownServer(url)
    return Response(status_code=204)


@router.post("/servers/{action}", operation_id="switchServer")
async def switch_server(
    action: Literal["pause", "resume", "drain"], body: Named, core: Service, _: Administering
) -> Server:
    """Pause a server, drain it, or have it take jobs again; it finishes the jobs that it has."""
    return Server.model_validate(await core.operating.want(body.url, WANTED[action]))


@router.get("/queue", operation_id="getQueue")
async def get_queue(core: Service, _: Reading) -> QueueState:
    """Return how many jobs wait and run."""
    return QueueState.model_validate(await core.operating.queue())


@router.get("/queue/waiting", operation_id="listWaiting")
async def list_waiting(core: Service, _: Administering) -> WaitingList:
    """List how many jobs wait, by priority and key."""
    return WaitingList.model_validate(await core.operating.waiting())


@router.post("/queue/front", operation_id="moveToFront")
async def move_to_front(body: Moved, core: Service, _: Administering) -> MovedCount:
    """Have what a key has waiting at a priority begin before all that waits now, in its own order."""
    return MovedCount(count=await core.operating.to_front(body.key_id, body.priority))


@router.post("/queue/{action}", operation_id="switchQueue")
async def switch_queue(action: Literal["pause", "resume"], core: Service, _: Administering) -> QueueState:
    """Let no job begin on any server, or let jobs begin again; new jobs are accepted in either case."""
    return QueueState.model_validate(await core.operating.pause_queue(paused=action == "pause"))
