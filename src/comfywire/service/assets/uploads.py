"""Uploads that may come twice and must act once."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from comfywire.service.access.idempotency import Answer, Once
from comfywire.service.assets.assets import Assets
from comfywire.service.assets.blobs import Staged
from comfywire.service.assets.records import AssetRecord, NewAsset

__all__ = ["keep_once", "request_of"]

ROUTE = "POST /api/v2/assets"


def request_of(key_id: UUID, key: str, staged: Staged, new: NewAsset) -> Once:
    """Return an upload under its Idempotency-Key: the same one has the same bytes, and says the same.

    Raises:
        InvalidIdempotencyKey: ``key`` is none.

    """
    said = {
        "hash": staged.blob.hash,
        "content_type": new.content_type,
        "file_path": new.file_path,
        "tags": list(new.tags),
        "expires_in": new.expires_in,
    }
    return Once.of(key_id, key, ROUTE, said)


async def keep_once(
    assets: Assets,
    staged: Staged,
    new: NewAsset,
    once: Once,
    render: Callable[[AssetRecord, bool], Answer],
) -> tuple[Answer, bool]:
    """Make an asset, unless the same upload did so before; return the answer, and whether it came before.

    Args:
        assets: Where.
        staged: The bytes, which are written.
        new: What is said about them.
        once: The request's key, kept in the transaction that makes the asset: either both are there, or none.
        render: Makes the answer of an asset, and of whether its bytes are new to the key.

    Raises:
        IdempotencyKeyReuse: The key was used for another request.
        IdempotencyKeyInUse: That request is still under way.
        HashMismatch: The bytes are not those that were expected.

    """
    if (answer := await once.answered(assets.database)) is not None:
        return answer, True
    new.must_be_of(staged.blob.hash)
    blob = await assets.shelve(staged)
    async with assets.database.transaction() as connection:
        if (answer := await once.claim(connection)) is not None:
            return answer, True
        answer = render(*await assets.record(connection, blob.hash, once.key_id, new))
        await once.keep(connection, answer)
    return answer, False
