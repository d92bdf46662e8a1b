"""Assets: whose they are, how long they stay, and what may be said about them."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from blake3 import blake3
from tests.service.making import output

from comfywire.service.assets.assets import Assets
from comfywire.service.assets.blobs import TooLarge
from comfywire.service.assets.records import (
    AssetInUse,
    AssetNotFound,
    BlobNotFound,
    HashMismatch,
    InvalidAsset,
    NewAsset,
    UrlExpired,
    path_of,
)
from comfywire.service.database.pool import Database
from comfywire.service.jobs.changes import change
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store

from .conftest import job, noise, pieces, whole

CONTENT = noise(100_000)
HASH = blake3(CONTENT).hexdigest()


async def new_key(database: Database, name: str) -> UUID:
    found = await database.one(
        "INSERT INTO keys (name, prefix, scopes) VALUES (%(name)s, '', '{submit}') RETURNING id", name=name
    )
    assert found is not None
    return UUID(str(found["id"]))


async def test_an_asset_is_recorded_with_all_that_is_said_about_it(assets: Assets, key_id: UUID) -> None:
    asset, is_new = await assets.create(
        key_id, pieces(CONTENT), content_type="image/png", file_path="a/b.png", tags=["x", "y"]
    )

    assert is_new
    assert (asset.key_id, asset.hash, asset.size_bytes) == (key_id, HASH, 100_000)
    assert (asset.content_type, asset.file_path, asset.tags) == ("image/png", "a/b.png", ["x", "y"])
    assert asset.job_id is None
    assert await assets.get(asset.id, key_id) == asset
    assert await whole(assets.read(asset)) == CONTENT
    assert await whole(assets.read(asset, 10, 20)) == CONTENT[10:20]


async def test_the_same_bytes_again_are_another_asset_and_not_new(assets: Assets, key_id: UUID) -> None:
    first, _ = await assets.create(key_id, pieces(CONTENT))
    second, is_new = await assets.create(key_id, pieces(CONTENT))

    assert (is_new, second.hash, second.id == first.id) == (False, first.hash, False)


async def test_of_equal_uploads_at_once_exactly_one_is_new(assets: Assets, key_id: UUID) -> None:
    created = await asyncio.gather(*[assets.create(key_id, pieces(CONTENT)) for _ in range(5)])

    assert sorted(is_new for _, is_new in created) == [False] * 4 + [True]


async def test_what_another_key_has_is_new_to_this_one(
    assets: Assets, database: Database, key_id: UUID
) -> None:
    await assets.create(key_id, pieces(CONTENT))
    _, is_new = await assets.create(await new_key(database, "other"), pieces(CONTENT))

    assert is_new


async def test_another_keys_asset_is_invisible(assets: Assets, database: Database, key_id: UUID) -> None:
    asset, _ = await assets.create(key_id, pieces(CONTENT))
    other = await new_key(database, "other")

    assert await assets.get(asset.id, other) is None
    assert not await assets.has_hash(other, HASH)
    with pytest.raises(BlobNotFound):
        await assets.from_hash(other, HASH)
    with pytest.raises(AssetNotFound):
        await assets.delete(asset.id, other)
    assert await assets.get(asset.id) == asset


@pytest.mark.parametrize("expected", [f"blake3:{HASH}", HASH], ids=["prefixed", "bare"])
async def test_bytes_of_the_expected_hash_are_taken(assets: Assets, key_id: UUID, expected: str) -> None:
    asset, _ = await assets.create(key_id, pieces(CONTENT), expected_hash=expected)

    assert asset.hash == HASH


async def test_other_bytes_than_expected_are_not_kept(assets: Assets, key_id: UUID) -> None:
    with pytest.raises(HashMismatch, match=f"blake3:{HASH}, not blake3:{'0' * 64}"):
        await assets.create(key_id, pieces(CONTENT), expected_hash="blake3:" + "0" * 64)

    assert not await assets.blobs.exists(HASH)
    assert not await assets.has_hash(key_id, HASH)


async def test_too_much_is_not_kept(assets: Assets, key_id: UUID) -> None:
    with pytest.raises(TooLarge):
        await assets.create(key_id, pieces(CONTENT), most=99_999)

    assert not await assets.has_hash(key_id, HASH)


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ({"content_type": "png"}, "content_type 'png'"),
        ({"content_type": "image/png\r\nSet-Cookie: x"}, "content_type"),
        ({"file_path": "../up.png"}, "file_path"),
        ({"file_path": "a\\..\\up.png"}, "file_path"),
        ({"file_path": "/etc/passwd"}, "file_path"),
        ({"file_path": "a\0b"}, "file_path"),
        ({"file_path": "\ud800"}, "file_path"),
        ({"file_path": "x" * 1025}, "file_path"),
        ({"tags": ["a\0b"]}, "tags"),
        ({"tags": ["x"] * 65}, "tags"),
        ({"tags": ["x" * 257]}, "tags"),
        ({"expires_in": 59}, "expires_in must be from 60 to 604800 seconds"),
        ({"expires_in": 604_801}, "expires_in"),
        ({"expected_hash": "sha256:1"}, "expected_hash"),
    ],
)
def test_what_may_not_be_said_about_an_asset_is_refused(about: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidAsset, match=says):
        NewAsset(**about)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["text/plain; charset=utf-8", "model/gltf-binary", "image/svg+xml"])
def test_content_types_as_they_are_are_taken(kind: str) -> None:
    assert NewAsset(content_type=kind, expires_in=60).content_type == kind


def test_a_name_that_a_comfyui_gave_fails_no_job() -> None:
    assert path_of("/a\n" + "b" * 2000) == "/a_" + "b" * 1021


@pytest.mark.parametrize(
    ("retention", "expires_in", "seconds"), [(100.0, None, 100), (100.0, 60, 60), (None, 60, 60)]
)
async def test_an_upload_expires_when_it_is_told_to(
    assets_with: Callable[..., Assets], key_id: UUID, retention: float, expires_in: int, seconds: int
) -> None:
    asset, _ = await assets_with(asset_retention=retention).create(
        key_id, pieces(CONTENT), expires_in=expires_in
    )

    assert asset.expires_at == asset.created_at + timedelta(seconds=seconds)


async def test_an_upload_without_a_retention_never_expires(
    assets_with: Callable[..., Assets], key_id: UUID
) -> None:
    asset, _ = await assets_with(asset_retention=None).create(key_id, pieces(CONTENT))

    assert asset.expires_at is None


async def test_an_output_expires_with_its_job(assets: Assets, store: Store, key_id: UUID) -> None:
    made = await store.submit(job(key_id, retention=1234))

    asset = await output(store, assets, CONTENT)

    assert (asset.job_id, asset.expires_at, asset.tags) == (made.id, made.expires_at, ["output"])


async def test_a_hash_that_the_key_has_becomes_an_asset_of_the_same_type(
    assets: Assets, key_id: UUID
) -> None:
    await assets.create(key_id, pieces(CONTENT), content_type="image/png", file_path="a.png")

    asset, is_new = await assets.from_hash(key_id, f"blake3:{HASH}", file_path="b.png", tags=["t"])

    assert (is_new, asset.file_path, asset.tags, asset.content_type) == (True, "b.png", ["t"], "image/png")


async def test_an_equal_asset_is_returned_as_it_is_and_kept_for_longer(assets: Assets, key_id: UUID) -> None:
    first, _ = await assets.create(key_id, pieces(CONTENT), file_path="a.png", expires_in=60)

    longer, is_new = await assets.from_hash(key_id, HASH, file_path="a.png", expires_in=6000)
    shorter, _ = await assets.from_hash(key_id, HASH, file_path="a.png", expires_in=600)

    assert (is_new, longer.id, shorter.id) == (False, first.id, first.id)
    assert first.expires_at is not None
    assert longer.expires_at is not None
    assert longer.expires_at > first.expires_at + timedelta(seconds=5000)
    assert shorter.expires_at == longer.expires_at


@pytest.mark.parametrize("name", ["", "blake3:", "blake3:xyz", "blake3:" + "F" * 64, "\0"])
async def test_what_is_no_hash_is_no_blob(assets: Assets, key_id: UUID, name: str) -> None:
    assert not await assets.has_hash(key_id, name)
    with pytest.raises(BlobNotFound):
        await assets.from_hash(key_id, name)


async def test_a_deleted_asset_is_gone_and_its_bytes_stay_for_others(assets: Assets, key_id: UUID) -> None:
    first, _ = await assets.create(key_id, pieces(CONTENT))
    second, _ = await assets.create(key_id, pieces(CONTENT))

    await assets.delete(first.id, key_id)

    assert await assets.get(first.id) is None
    assert await whole(assets.read(second)) == CONTENT
    with pytest.raises(AssetNotFound):
        await assets.delete(first.id, key_id)


async def test_the_input_of_an_open_job_cannot_be_deleted_and_of_an_ended_one_can(
    assets: Assets, store: Store, key_id: UUID
) -> None:
    asset, _ = await assets.create(key_id, pieces(CONTENT))
    reader = await store.submit(job(key_id, inputs=[asset.id]))
    with pytest.raises(AssetInUse, match="in use"):
        await assets.delete(asset.id, key_id)

    await store.cancel(reader.id)
    await assets.delete(asset.id, key_id)

    assert await assets.get(asset.id) is None


async def test_a_jobs_output_cannot_be_deleted(assets: Assets, store: Store, key_id: UUID) -> None:
    made = await store.submit(job(key_id))
    asset = await output(store, assets, CONTENT)
    await store.cancel(made.id)

    with pytest.raises(AssetInUse):
        await assets.delete(asset.id, key_id)


async def test_a_deletion_waits_for_a_retry_that_is_under_way(
    assets: Assets, database: Database, store: Store, key_id: UUID
) -> None:
    asset, _ = await assets.create(key_id, pieces(CONTENT))
    reader = await store.submit(job(key_id, inputs=[asset.id]))
    await store.cancel(reader.id)

    async with database.transaction() as retrying:
        await change(retrying, reader.id, JobState.QUEUED, "retried")
        deleting = asyncio.create_task(assets.delete(asset.id, key_id))
        await until_somebody_waits(database)

    with pytest.raises(AssetInUse):
        await deleting


async def test_a_submission_that_loses_against_a_deletion_is_refused(
    assets: Assets, store: Store, key_id: UUID
) -> None:
    import psycopg

    asset, _ = await assets.create(key_id, pieces(CONTENT))
    await assets.delete(asset.id, key_id)

    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        await store.submit(job(key_id, inputs=[asset.id]))


async def test_a_signed_url_means_its_asset_until_it_expires(
    assets_with: Callable[..., Assets], key_id: UUID
) -> None:
    assets, late = assets_with(url_lifetime=100), assets_with(url_lifetime=-1)
    asset, _ = await assets.create(key_id, pieces(CONTENT))
    url, until = assets.url(asset, "https://host/base/")

    assert url.startswith(f"https://host/base/api/v2/signed/{asset.id}?expires=")
    assert abs((until - datetime.now(UTC)).total_seconds() - 100) < 5
    assert await assets.get_signed(asset.id, *signed(url)) == asset
    with pytest.raises(UrlExpired):
        await assets.get_signed(asset.id, *signed(late.url(asset, "https://host")[0]))
    with pytest.raises(UrlExpired):
        await assets.get_signed(uuid4(), *signed(url))


async def test_a_signed_url_of_a_deleted_asset_finds_nothing(assets: Assets, key_id: UUID) -> None:
    asset, _ = await assets.create(key_id, pieces(CONTENT))
    url, _ = assets.url(asset, "https://host")
    await assets.delete(asset.id)

    with pytest.raises(AssetNotFound):
        await assets.get_signed(asset.id, *signed(url))


def signed(url: str) -> tuple[int, str]:
    expires, signature = url.partition("?")[2].split("&")
    return int(expires.removeprefix("expires=")), signature.removeprefix("signature=")


async def until_somebody_waits(database: Database) -> None:
    """Until a statement waits for a lock of ours."""
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while not await database.all(waiting):  # noqa: ASYNC110 - PostgreSQL has no event for it
        await asyncio.sleep(0.005)
