"""The fleet and the queue over HTTP: keys for ``read`` may look, keys for ``admin`` may switch."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from comfywire.service.database.storable import must_be_text

from .admission import key_first_router
from .context import Administering, Reading, Service

__all__ = ["router"]

router = key_first_router("/api/v2", tag="servers")


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


class QueueState(BaseModel):
    """How many jobs wait and run, of all keys together."""

    model_config = ConfigDict(from_attributes=True)

    paused: bool
    queued: int
    running: int
    canceling: int
    oldest: Annotated[datetime | None, Field(description="Since when the oldest that waits does.")]


WANTED = {"pause": "paused", "resume": "active", "drain": "drained"}


@router.get("/servers", operation_id="listServers")
async def list_servers(core: Service, caller: Reading) -> Servers:
    """List the ComfyUIs and how they are; a key for `admin` also gets the jobs that wait for them."""
    waiting = await core.operating.demand() if caller.may("admin") else None
    return Servers(
        servers=[Server.model_validate(server) for server in await core.operating.servers()],
        waiting=None if waiting is None else Demand.model_validate(waiting),
    )


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


@router.post("/queue/{action}", operation_id="switchQueue")
async def switch_queue(action: Literal["pause", "resume"], core: Service, _: Administering) -> QueueState:
    """Let no job begin on any server, or let jobs begin again; new jobs are accepted in either case."""
    return QueueState.model_validate(await core.operating.pause_queue(paused=action == "pause"))
