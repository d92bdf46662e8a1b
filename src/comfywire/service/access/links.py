"""Links that show one job to whoever has them: until they expire, are ended, or their key is revoked."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from uuid import UUID

from comfywire.errors import ComfywireError
from comfywire.service.database.pool import Database
from comfywire.service.sql import queries

__all__ = ["JobLinks", "LinkEnded"]

SQL = queries("links")


class LinkEnded(ComfywireError):
    """Nothing is shown by this link: it was never made, has expired, or somebody ended it."""

    code = "not_found"
    http_status = 404

    def __init__(self) -> None:
        super().__init__("this link shows nothing any more: ask who gave it to you for another")


class JobLinks:
    """The links of one database; it has their hashes alone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def make(self, job_id: UUID, seconds: float) -> tuple[str, datetime]:
        """Return what stands in a new link to a job, and when it ends; a link made before ends now."""
        token = secrets.token_urlsafe(24)
        made = await self._database.one(SQL["make"], job_id=job_id, hash=_hash(token), seconds=seconds)
        assert made is not None
        return token, made["expires_at"]

    async def find(self, token: str) -> tuple[UUID, datetime]:
        """Return the job that a link shows, and when the link ends.

        Raises:
            LinkEnded: It shows none.

        """
        found = await self._database.one(SQL["find"], hash=_hash(token))
        if found is None:
            raise LinkEnded
        return found["job_id"], found["expires_at"]

    async def end(self, job_id: UUID) -> None:
        """Let a job's link show nothing any more."""
        await self._database.do(SQL["end"], job_id=job_id)


def _hash(token: str) -> bytes:
    """Hash with SHA-256: what stands in a link is 192 random bits, and cannot be guessed."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
