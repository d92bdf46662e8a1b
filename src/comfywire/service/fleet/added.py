"""ComfyUIs that are added over the API: judged, kept with sealed credentials, given to one worker each."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from comfywire.client import Client
from comfywire.errors import ComfywireError
from comfywire.service.addresses import UnknownHost, resolve_public
from comfywire.service.database.pool import Database, Row
from comfywire.service.fleet.registry import SILENT_AFTER
from comfywire.service.sql import queries

__all__ = ["MOST_ADDED", "AddedServer", "AddedServers", "ServerConflict", "UnfitAddress", "fit_url"]

SQL = queries("added_servers")
MOST_ADDED = 1000
ANYBODY_AFTER = 20.0
"""Seconds after which a server that nobody has taken is anybody's: whose share it is does not come for it."""
LOOKUP = 5.0
"""Seconds that a host's name may take to be found."""
log = logging.getLogger("comfywire.service")


class UnfitAddress(ComfywireError):
    """No ComfyUI is reached at such an address."""

    code = "invalid_request"
    http_status = 422


class ServerConflict(ComfywireError):
    """A server is there already, or is not one of those that can be removed."""

    code = "conflict"
    http_status = 409


class Sealing(Protocol):
    """What encrypts addresses, which may have passwords in them."""

    def seal(self, content: Mapping[str, Any]) -> bytes:
        """Encrypt."""
        ...

    def open(self, sealed: bytes) -> dict[str, Any]:
        """Decrypt."""
        ...

    def is_current(self, sealed: bytes) -> bool:
        """Whether the service's present secret sealed it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedServer:
    """A server as it was added.

    Attributes:
        url: Without credentials.
        address: With them.
        tags: What is said about it.
        slots: Prompts of ours at a time; None for the worker's usual number.

    """

    url: str
    address: str
    tags: tuple[str, ...]
    slots: int | None


class AddedServers:
    """The servers that were added, in one database."""

    def __init__(self, database: Database, sealer: Sealing) -> None:
        self._database = database
        self._sealer = sealer

    async def add(
        self, address: str, *, tags: Sequence[str] = (), slots: int | None = None, own: Collection[str] = ()
    ) -> str:
        """Add the ComfyUI at ``address`` and return its URL; a worker looks after it within seconds.

        Args:
            address: With credentials.
            tags: The words by which jobs ask for it.
            slots: Prompts of ours at a time.
            own: Hosts and ports of this service, which speaks ComfyUI's API itself: its jobs would come back.

        Raises:
            UnfitAddress: No ComfyUI is there, by the address alone; nothing was sent to it.
            ServerConflict: It is there already, or too many are.

        """
        url = await fit_url(address, own)
        found = await self._how(url)
        if found["is_added"] or (found["is_heard"] and not found["is_removed"]):
            raise ServerConflict(f"{url} is there already: GET /api/v2/servers lists them")
        counted = await self._database.one(SQL["count"])
        if counted is not None and counted["count"] >= MOST_ADDED:
            raise ServerConflict(f"{MOST_ADDED} servers were added, the most that are kept: remove one first")
        sealed = self._sealer.seal({"address": address})
        values = {"url": url, "address": sealed, "tags": list(tags), "slots": slots}
        if await self._database.one(SQL["add"], silent_after=SILENT_AFTER, **values) is None:
            raise ServerConflict(f"{url} is there already: GET /api/v2/servers lists them")
        return url

    async def remove(self, url: str) -> bool:
        """Take a server that was added away; jobs that are on it end there. False if there is none at all.

        Raises:
            ServerConflict: A worker was started with it.

        """
        found = await self._how(url)
        if found["is_named"] or (found["is_known"] and not found["is_added"]):
            raise ServerConflict(
                f"{url} was not added over the API, but named with --server where a worker is started: "
                "leave it out there, or drain it"
            )
        return await self._database.one(SQL["remove"], url=url) is not None

    async def _how(self, url: str) -> Row:
        found = await self._database.one(SQL["how"], url=url, silent_after=SILENT_AFTER)
        assert found is not None
        return found

    async def claim(self, worker: str) -> list[AddedServer]:
        """Return those that ``worker`` is to look after: each has one worker, until that is dead or leaves.

        Of those that no worker has it takes its share, so that workers have about as many as each other.
        """
        values = {"worker": worker, "silent_after": SILENT_AFTER, "anybody_after": ANYBODY_AFTER}
        found = await self._database.all(SQL["claim"], **values)
        return [server for server in map(self._opened, found) if server is not None]

    def _opened(self, row: Row) -> AddedServer | None:
        try:
            address = str(self._sealer.open(row["address"])["address"])
        except ComfywireError as error:
            log.warning("%s cannot be reached: %s", row["url"], error)
            return None
        return AddedServer(url=row["url"], address=address, tags=tuple(row["tags"]), slots=row["slots"])

    async def forget(self, url: str) -> None:
        """Take a server that was removed out of the list, now that nothing is on it."""
        await self._database.do(SQL["forget"], url=url, silent_after=SILENT_AFTER)

    async def seal_anew(self) -> None:
        """Seal the addresses under the service's present secret where a former one sealed them."""
        for row in await self._database.all(SQL["addresses"]):
            try:
                if not self._sealer.is_current(row["address"]):
                    sealed = self._sealer.seal(self._sealer.open(row["address"]))
                    values = {"url": row["url"], "sealed": sealed, "known": row["address"]}
                    await self._database.do(SQL["seal_anew"], **values)
            except ComfywireError as error:
                log.warning("%s cannot be reached: %s", row["url"], error)


async def fit_url(address: str, own: Collection[str] = ()) -> str:
    """Return the URL of an address without its credentials; nothing is sent there, and nothing to ``own``.

    Private and loopback addresses are where ComfyUIs are. Link-local ones are not, and have the secrets of
    cloud machines (169.254.169.254). A host that has no address here may have one where the workers are.

    Raises:
        UnfitAddress: It is none of an HTTP server, or leads where no ComfyUI is.

    """
    if "#" in address:
        raise UnfitAddress("the address has a # in it: give tags and slots beside it, as 'tags' and 'slots'")
    try:
        url = Client(address).url
    except ValueError as error:
        raise UnfitAddress(str(error)) from None
    parts = urlsplit(url)
    if _has_key(parts.path):
        raise UnfitAddress("the address has a key in its path, which lists would show: give it as ?token=")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    itself = UnfitAddress(f"{url} is this service itself: name the address of a ComfyUI")
    if parts.netloc in own:
        raise itself
    try:
        async with asyncio.timeout(LOOKUP):
            found = await resolve_public(parts.hostname or "", port, allow_private=True, owner="servers")
    except (UnknownHost, TimeoutError):
        return url
    for text in found:
        known = ipaddress.ip_address(text.partition("%")[0])
        known = getattr(known, "ipv4_mapped", None) or known
        if known.is_link_local or known.is_multicast or known.is_unspecified:
            raise UnfitAddress(f"{url} leads to {known}, where no ComfyUI is: name the ComfyUI's own host")
        if any(_is_at(known, port, place) for place in own):
            raise itself
    return url


def _has_key(path: str) -> bool:
    """Whether a path is one of this service's kind, ``/k/KEY/...``, wherever it begins."""
    parts = unquote(path).split("/")
    return any(part == "k" and key for part, key in pairwise(parts))


def _is_at(known: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, place: str) -> bool:
    """Whether it is where a service that is reached at ``place`` answers, or beside it on loopback."""
    at = urlsplit(f"//{place}")
    if at.port != port:
        return False
    try:
        own = ipaddress.ip_address((at.hostname or "").partition("%")[0])
    except ValueError:
        return known.is_loopback and at.hostname == "localhost"
    return known == own or (known.is_loopback and (own.is_loopback or own.is_unspecified))
