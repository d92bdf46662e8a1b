"""Uploads with an Idempotency-Key: the same upload twice makes one asset."""

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
    """Return the request that an upload is, for its Idempotency-Key: the bytes and their description.

    Raises:
        InvalidIdempotencyKey: ``key`` cannot be an Idempotency-Key.

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
    """Make an asset, unless the same upload made one; return the answer, and whether it is a repetition.

    Args:
        assets: The service's assets.
        staged: The bytes, which are written.
        new: The description of the asset.
        once: The request. Its key is recorded in the transaction that makes the asset, so that a crash leaves
            both or none.
        render: Makes the answer of an asset, and of whether its bytes are new to the key.

    Raises:
        IdempotencyKeyReuse: The key was used for another request.
        IdempotencyKeyInUse: The same request is still under way.
        HashMismatch: The bytes are not those that the uploader announced.

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
