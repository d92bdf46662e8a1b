"""The sweep: it removes ended jobs with their outputs, expired uploads, and bytes that no asset names."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from comfywire.service.assets.blobs import Blobs
from comfywire.service.database.counted import counted, counted_anew, keep
from comfywire.service.database.pool import Connection, Database, execute, row, rows
from comfywire.service.jobs.states import TERMINAL
from comfywire.service.sql import queries

__all__ = ["GRACE", "Sweep"]

SQL = queries("assets")
GRACE = 3600.0
"""Seconds for which the sweep spares bytes that somebody uploaded or asked for."""
STALE = 86400.0
"""Seconds after which a half-written file counts as left by a crash."""
BATCH = 200
"""Jobs or assets that one transaction removes; their rows are locked meanwhile."""
MOST = 10_000
"""Jobs, uploads and blobs that one sweep removes at most, each; the next sweep removes the rest."""
LOCK = 0x7377656570  # "sweep"
STORED = "stored bytes"
"""Under which name all processes keep how much there is: the sweeps of all workers need it."""
ENDED = [state.value for state in TERMINAL]
log = logging.getLogger("comfywire.service")


class Sweep:
    """One sweep over a database and its store of bytes."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs
        self._removed = 0

    async def run(self, most_bytes: int | None) -> int:
        """Sweep, unless another process does; return how many blobs were removed.

        Cancelling this leaves records and bytes consistent, and the rest to the next sweep.
        """
        # The lock is the transaction's: a session may be somebody else's by the next statement (pooling.py).
        async with self._database.transaction() as connection:
            await execute(connection, "SET LOCAL idle_in_transaction_session_timeout = 0")
            locked = await row(connection, "SELECT pg_try_advisory_xact_lock(%(lock)s) AS mine", lock=LOCK)
            if locked is None or not locked["mine"]:
                return 0
            await self._all(most_bytes)
        return self._removed

    async def _all(self, most_bytes: int | None) -> None:
        await self._by_age(await self._now())
        if most_bytes is not None:
            await self._by_size(most_bytes)
        await self._drop_loose()
        await self._drop_orphans()
        if stale := await self._blobs.discard_stale(STALE):
            log.info("removed %d files that were never finished", stale)

    async def _drop_loose(self) -> None:
        """Remove bytes whose last asset, or thumbnail, is gone: triggers have written down which may be."""
        loose = await self._database.all(SQL["loose"], grace=GRACE, most=MOST)
        await self._drop(blob["hash"] for blob in loose)
        if loose:
            looked = {
                "hashes": [blob["hash"] for blob in loose],
                "newest": [blob["newest"] for blob in loose],
            }
            await self._database.do(SQL["drop_loose"], **looked)

    async def _drop_orphans(self) -> None:
        """Remove bytes of which no asset was made: of those that were given since the last sweep.

        Once a day all are looked at, for what a database's clock that was set back has hidden.
        """
        look = await self._database.one(SQL["look"], grace=GRACE)
        assert look is not None
        orphans = await self._database.all(
            SQL["orphans"], since=look["since"], until=look["until"], most=MOST
        )
        await self._drop(blob["hash"] for blob in orphans)
        if len(orphans) < MOST:  # else the next sweep begins there again
            await self._database.do(SQL["looked"], until=look["until"], is_whole=look["is_whole"])

    async def _now(self) -> datetime:
        """The database's time, by which things expire: this machine's clock may differ."""
        answer = await self._database.one("SELECT now() AS now")
        assert answer is not None
        now: datetime = answer["now"]
        return now

    async def _by_age(self, before: datetime) -> None:
        late = {"before": before, "terminal": ENDED, "most": MOST}
        for jobs in _batches([job["id"] for job in await self._database.all(SQL["expired_jobs"], **late)]):
            await self._forget_jobs(jobs, before)
        for assets in _batches(
            [asset["id"] for asset in await self._database.all(SQL["expired_assets"], **late)]
        ):
            await self._forget_assets(assets, before)

    async def _by_size(self, most_bytes: int) -> None:
        stored = await counted(self._database, STORED, SQL["total"])
        if stored.age > 0 and stored.rows[0]["bytes"] > most_bytes:
            # Some of that may be gone by now: what is removed is removed by what there is.
            stored = await counted_anew(self._database, STORED, SQL["total"])
        (before,) = stored.rows
        if before["bytes"] <= most_bytes:
            return
        blobs, freed = self._removed, await self._free_excess(before["bytes"] - most_bytes)
        after = {"total": before["total"] - (self._removed - blobs), "bytes": before["bytes"] - freed}
        await keep(self._database, STORED, [after], as_of=stored.as_of)

    async def _free_excess(self, excess: int) -> int:
        """Remove the oldest that nothing uses until so many bytes are free; return how many are."""
        total = 0
        while total < excess:
            oldest = await self._database.all(SQL["oldest"], grace=GRACE, terminal=ENDED, most=BATCH)
            freed = await self._free(excess - total, [blob["hash"] for blob in oldest])
            if not freed:
                log.warning("assets take %d bytes more than they may, and all are in use", excess - total)
                break
            total += freed
        return total

    async def _free(self, excess: int, hashes: Sequence[str]) -> int:
        freed = 0
        for name in hashes:
            if freed >= excess:
                break
            freed += await self._drop({name} | await self._forget_blob(name))
        return freed

    async def _forget_blob(self, name: str) -> set[str]:
        """Remove the uploads and the jobs that name a blob; a job without its outputs would mislead."""
        users = await self._database.all(SQL["of_blob"], hash=name)
        makers = sorted({user["job_id"] for user in users if user["job_id"] is not None})
        uploads = [user["id"] for user in users if user["job_id"] is None]
        return await self._forget_jobs(makers, None) | await self._forget_assets(uploads, None)

    async def _forget_jobs(self, jobs: Sequence[UUID], before: datetime | None) -> set[str]:
        """Remove ended jobs whose outputs no open job reads; return the hashes of their outputs."""
        async with self._database.transaction() as connection:
            made = [asset["id"] for asset in await rows(connection, SQL["of_jobs"], jobs=list(jobs))]
            locked = await rows(connection, SQL["lock"], assets=made, key_id=None)
            busy = await _busy(connection, made)
            needed = {asset["job_id"] for asset in locked if asset["id"] in busy}
            free = [job for job in jobs if job not in needed]
            gone = await rows(connection, SQL["delete_jobs"], jobs=free, terminal=ENDED, before=before)
            removed = {job["id"] for job in gone}
            return {asset["hash"] for asset in locked if asset["job_id"] in removed}

    async def _forget_assets(self, assets: Sequence[UUID], before: datetime | None) -> set[str]:
        """Remove uploads that no open job reads; return their hashes."""
        async with self._database.transaction() as connection:
            locked = await rows(connection, SQL["lock"], assets=list(assets), key_id=None)
            busy = await _busy(connection, assets)
            uploads = [asset for asset in locked if not asset["is_output"]]
            free = [asset["id"] for asset in uploads if asset["id"] not in busy]
            gone = await rows(connection, SQL["delete"], assets=free, before=before)
            return {asset["hash"] for asset in gone}

    async def _drop(self, hashes: Iterable[str]) -> int:
        """Remove the bytes of blobs that no asset names; return how many bytes."""
        return sum([await self._drop_one(name) for name in hashes])

    async def _drop_one(self, name: str) -> int:
        async with self._database.transaction() as connection:
            blob = await row(connection, SQL["lock_old_blob"], hash=name, grace=GRACE)
            # After the lock: who makes an asset touches this row first, so that the asset is seen here.
            if blob is None or await rows(connection, SQL["is_used"], hash=name):
                return 0
            await self._blobs.delete(name)
            await execute(connection, SQL["delete_blob"], hash=name)
        self._removed += 1
        return int(blob["size_bytes"])


async def _busy(connection: Connection, assets: Sequence[UUID]) -> set[UUID]:
    """Return those of the assets that a job which has not ended reads."""
    readers = await rows(connection, SQL["readers"], assets=list(assets))
    return {reader["asset_id"] for reader in readers if reader["state"] not in TERMINAL}


def _batches(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
