"""What the HTTP API and the workers of one process share, opened in order and closed in reverse."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from comfywire.errors import ComfywireError
from comfywire.service.access.keys import Access
from comfywire.service.access.limits import RateLimits, StreamLimit
from comfywire.service.access.links import JobLinks
from comfywire.service.access.sessions import Sessions
from comfywire.service.assets.assets import Assets
from comfywire.service.assets.blobs import Blobs
from comfywire.service.assets.signing import Signer
from comfywire.service.assets.store_check import StoreCheck
from comfywire.service.assets.thumbnails import Thumbnails
from comfywire.service.database.clock import DatabaseClock
from comfywire.service.database.pool import Database
from comfywire.service.database.pooling import must_suit
from comfywire.service.fleet.added import AddedServers
from comfywire.service.fleet.catalogues import Catalogues
from comfywire.service.jobs.batches import Batches
from comfywire.service.jobs.engine import Queue
from comfywire.service.jobs.estimates import Estimates
from comfywire.service.jobs.live_jobs import Broker
from comfywire.service.jobs.overview import Operating
from comfywire.service.jobs.store import Store
from comfywire.service.postgres.embedded import database_at
from comfywire.service.relay.hub import Hub
from comfywire.service.relay.relay import Relay
from comfywire.service.webhooks.delivery import Webhooks
from comfywire.service.workflows.presets import Presets
from comfywire.service.workflows.registered import Workflows

from .hooks import Hooks
from .migrate import is_current, migrate, must_not_be_newer
from .sealing import Sealer
from .settings import Settings

__all__ = ["Core", "OldSchema", "open_core"]


class OldSchema(ComfywireError):
    """The database's schema is another version's."""


@dataclass(frozen=True, slots=True)
class Core:
    """One process's share of the service.

    Attributes:
        settings: What the operator has set.
        database: PostgreSQL.
        store: Jobs.
        batches: Jobs that were submitted together.
        assets: Inputs and outputs.
        thumbnails: Small pictures of those that are pictures.
        store_check: Whether their bytes can be written and read.
        access: Keys.
        links: Links that show one job without a key.
        sessions: Browsers that have signed in with one.
        limits: Requests a minute.
        streams: How many streams of events each key has open.
        sealer: Encrypts secrets that the database keeps.
        hooks: The operator's policy.
        webhooks: Who is told of a job's end.
        workflows: Those that are registered.
        presets: Values of their inputs that keys keep, and the pictures that show them.
        estimates: When jobs are expected to begin and to end.
        operating: The fleet and the queue, to be looked at and switched.
        added_servers: The servers that were added over the API.
        catalogues: What the fleet would say about a prompt.
        broker: Who watches jobs for those who read their events.
        relay: Carries what ComfyUIs say to sockets of ComfyUI's own API.
        hub: Those sockets.
        is_leaving: Set when the process has been told to stop: it answers on, for a while.

    """

    settings: Settings
    database: Database
    store: Store
    batches: Batches
    assets: Assets
    thumbnails: Thumbnails
    store_check: StoreCheck
    access: Access
    links: JobLinks
    sessions: Sessions
    limits: RateLimits
    streams: StreamLimit
    sealer: Sealer
    hooks: Hooks
    webhooks: Webhooks
    workflows: Workflows
    presets: Presets
    estimates: Estimates
    operating: Operating
    added_servers: AddedServers
    catalogues: Catalogues
    broker: Broker
    relay: Relay
    hub: Hub
    is_leaving: asyncio.Event


@contextlib.asynccontextmanager
async def open_core(settings: Settings) -> AsyncIterator[Core]:
    """Open everything: an embedded PostgreSQL with its schema brought up to date, or the one of the settings.

    Raises:
        NoDatabase: The database does not start, or nothing answers there.
        UnsuitableDatabase: What answers there lacks something, or a pooler in front of it does.
        OldSchema: It is your own, and ``comfywire db upgrade`` is due.
        NewerSchema: A newer version's, with which this program cannot work.
        BrokenHook: A hook cannot be loaded.
        UnusableStore: The asset store does not take bytes and give them back.

    """
    settings.data.mkdir(parents=True, exist_ok=True)
    sealer = Sealer.of(settings.data)
    async with database_at(settings.data, settings.database_url) as url:
        if settings.database_url is None:
            await migrate(url)
        else:
            listen_url = settings.database_listen_url
            await must_suit(url, prepares=settings.database_prepare, listen_url=listen_url)
        async with _database(url, settings) as database, Hooks.of(settings) as hooks:
            await _must_be_current(database)
            hub = Hub(database, Relay(database))
            clock = DatabaseClock(database)
            async with Broker(Store(database, Queue(database))) as broker, hub, clock:
                core = _core(settings, sealer, hooks, broker, hub, now=clock.now)
                await core.webhooks.secrets.seal_anew()
                await core.added_servers.seal_anew()
                async with contextlib.aclosing(core.assets.blobs), core.store_check:
                    yield core


def _database(url: str, settings: Settings) -> Database:
    return Database(
        url,
        size=settings.database_connections,
        prepares=settings.database_prepare,
        listen_url=settings.database_listen_url,
    )


def _core(
    settings: Settings, sealer: Sealer, hooks: Hooks, broker: Broker, hub: Hub, *, now: Callable[[], float]
) -> Core:
    store = broker.store
    database = store.database
    access = Access(database, keys_required=settings.keys_required)
    blobs = Blobs(settings.assets_url or str(settings.data / "assets"))
    signer = Signer(*sealer.derived_of_all("signed URLs"))
    assets = Assets(database, blobs, signer, settings, now=now)
    return Core(
        settings=settings,
        database=database,
        store=store,
        batches=Batches(database),
        assets=assets,
        thumbnails=Thumbnails(assets),
        store_check=StoreCheck(blobs),
        access=access,
        sessions=Sessions(database, access),
        links=JobLinks(database),
        limits=RateLimits(database, settings.rate_per_minute),
        streams=StreamLimit(settings.max_streams),
        sealer=sealer,
        hooks=hooks,
        webhooks=Webhooks(database, settings, sealer),
        workflows=Workflows(database),
        presets=Presets(database),
        estimates=Estimates(database, now=now),
        operating=Operating(database),
        added_servers=AddedServers(database, sealer),
        catalogues=Catalogues(database),
        broker=broker,
        relay=hub.relay,
        hub=hub,
        is_leaving=asyncio.Event(),
    )


async def _must_be_current(database: Database) -> None:
    async with database.connection() as connection:
        if not await is_current(connection):
            raise OldSchema("the database's schema is not this version's: run `comfywire db upgrade` first")
        await must_not_be_newer(connection)
