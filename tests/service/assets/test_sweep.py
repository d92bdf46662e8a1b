"""The sweep: what has had its time goes, and nothing that a live job uses or that somebody just gave."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from comfywire.service.assets.assets import AssetRecord, Assets
from comfywire.service.assets.blobs import Blobs
from comfywire.service.assets.sweep import Sweep
from comfywire.service.database.counted import FEW
from comfywire.service.database.pool import Database
from comfywire.service.jobs.changes import change
from comfywire.service.jobs.records import JobRecord
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store
from comfywire.service.settings import Settings

from .conftest import job, noise, pieces, whole
from .test_assets import until_somebody_waits

DAY = 86400


async def age(database: Database, seconds: float = 2 * DAY) -> None:
    """Make everything older."""
    for table, columns in (("blobs", ["created_at", "touched_at"]), ("assets", ["created_at", "expires_at"])):
        changes = ", ".join(f"{name} = {name} - make_interval(secs => %(seconds)s)" for name in columns)
        await database.do(f"UPDATE {table} SET {changes}", seconds=seconds)
    await database.do(
        "UPDATE jobs SET created_at = created_at - make_interval(secs => %(seconds)s), "
        "expires_at = expires_at - make_interval(secs => %(seconds)s)",
        seconds=seconds,
    )


async def upload(assets: Assets, key_id: UUID, seed: bytes, size: int = 1000, **about: Any) -> AssetRecord:
    asset, _ = await assets.create(key_id, pieces(noise(size, seed)), **about)
    return asset


async def made_by(database: Database, made: JobRecord, asset: AssetRecord) -> AssetRecord:
    await database.do(
        "UPDATE assets SET job_id = %(job_id)s, expires_at = NULL WHERE id = %(id)s",
        job_id=made.id,
        id=asset.id,
    )
    return asset


async def output(assets: Assets, database: Database, made: JobRecord, seed: bytes) -> AssetRecord:
    asset = await made_by(database, made, await upload(assets, made.key_id, seed))
    await database.do(
        "INSERT INTO outputs (job_id, position, node_id, key, kind, asset_id) "
        "VALUES (%(job_id)s, 0, '1', 'images', 'image', %(asset_id)s)",
        job_id=made.id,
        asset_id=asset.id,
    )
    return asset


async def test_an_upload_goes_when_its_time_has_passed(
    assets: Assets, database: Database, key_id: UUID
) -> None:
    late = await upload(assets, key_id, b"late", expires_in=60)
    kept = await upload(assets, key_id, b"kept", expires_in=7 * DAY)
    await age(database)

    assert await assets.sweep() == 1

    assert await assets.get(late.id) is None
    assert not await assets.blobs.exists(late.hash)
    assert await whole(assets.read(kept)) == noise(1000, b"kept")


async def test_the_bytes_of_a_deleted_asset_go_an_hour_after_they_were_last_given(
    assets: Assets, database: Database, key_id: UUID
) -> None:
    asset = await upload(assets, key_id, b"x")
    await assets.delete(asset.id)
    await age(database, 3500)
    before = await assets.sweep()
    await age(database, 200)
    after = await assets.sweep()

    assert (before, after) == (0, 1)
    assert not await assets.blobs.exists(asset.hash)


async def test_bytes_that_another_asset_has_stay(assets: Assets, database: Database, key_id: UUID) -> None:
    await upload(assets, key_id, b"x", expires_in=60)
    other = await upload(assets, key_id, b"x", expires_in=7 * DAY)
    await age(database)

    assert await assets.sweep() == 0
    assert await whole(assets.read(other)) == noise(1000, b"x")


async def test_what_an_open_job_reads_stays_past_its_time(
    assets: Assets, database: Database, store: Store, key_id: UUID
) -> None:
    asset = await upload(assets, key_id, b"x", expires_in=60)
    reader = await store.submit(job(key_id, inputs=[asset.id]))
    await age(database)

    while_open = await assets.sweep()
    await store.cancel(reader.id)
    afterwards = await assets.sweep()

    assert (while_open, afterwards) == (0, 1)


async def test_an_ended_job_goes_with_its_outputs_when_its_time_has_passed(
    assets: Assets, database: Database, store: Store, key_id: UUID
) -> None:
    made = await store.submit(job(key_id, retention=DAY))
    kept = await store.submit(job(key_id, retention=7 * DAY))
    asset = await output(assets, database, made, b"x")
    await output(assets, database, kept, b"y")
    for one in (made, kept):
        await store.cancel(one.id)
    await age(database)

    assert await assets.sweep() == 1

    assert await store.get(made.id) is None
    assert await assets.get(asset.id) is None
    assert len(await store.outputs(kept.id)) == 1


async def test_an_open_job_is_not_forgotten_however_old(
    assets: Assets, database: Database, store: Store, key_id: UUID
) -> None:
    made = await store.submit(job(key_id, retention=60))
    await output(assets, database, made, b"x")
    await age(database)

    assert await assets.sweep() == 0
    assert await store.get(made.id) is not None


async def test_a_job_whose_output_an_open_job_reads_stays(
    assets: Assets, database: Database, store: Store, key_id: UUID
) -> None:
    made = await store.submit(job(key_id, retention=60))
    asset = await output(assets, database, made, b"x")
    await store.cancel(made.id)
    reader = await store.submit(job(key_id, inputs=[asset.id]))
    await age(database)

    while_open = await assets.sweep(), await store.get(made.id)
    await store.cancel(reader.id)
    await assets.sweep()

    assert while_open[0] == 0
    assert while_open[1] is not None
    assert await store.get(made.id) is None


async def much(assets: Assets, database: Database, key_id: UUID) -> AssetRecord:
    """An upload that may go, beside so much that its sizes are not summed up each time."""
    upload_that_may_go = await upload(assets, key_id, b"old", size=1000)
    await age(database, 4000)
    await database.do(
        "INSERT INTO blobs (hash, size_bytes) SELECT n::text, 1 FROM generate_series(1, %(count)s) AS n",
        count=FEW,
    )
    return upload_that_may_go


async def claim_to_have(database: Database, size: int) -> None:
    """Have what is kept of the sizes be wrong."""
    await database.do(
        "UPDATE counted SET rows = jsonb_set(rows, '{0,bytes}', to_jsonb(%(size)s::bigint)), "
        "good_until = now() + interval '1 minute'",
        size=size,
    )


async def kept_size(database: Database) -> list[Any]:
    return [row["rows"] for row in await database.all("SELECT rows FROM counted")]


async def test_of_much_the_sizes_are_summed_up_now_and_then(
    assets: Assets, assets_with: Callable[..., Assets], database: Database, key_id: UUID
) -> None:
    asset = await much(assets, database, key_id)
    assert await assets_with(max_asset_bytes=FEW + 1000).sweep() == 0
    assert await kept_size(database) == [[{"total": FEW + 1, "bytes": FEW + 1000}]]

    await claim_to_have(database, 0)

    assert await assets_with(max_asset_bytes=0).sweep() == 0
    assert await assets.get(asset.id) is not None


async def test_nothing_is_removed_for_what_was_there_when_it_was_summed_up(
    assets: Assets, assets_with: Callable[..., Assets], database: Database, key_id: UUID
) -> None:
    asset = await much(assets, database, key_id)
    assert await assets_with(max_asset_bytes=FEW + 1000).sweep() == 0
    await claim_to_have(database, 10**9)

    assert await assets_with(max_asset_bytes=FEW + 1000).sweep() == 0

    assert await assets.get(asset.id) is not None
    assert await kept_size(database) == [[{"total": FEW + 1, "bytes": FEW + 1000}]]


async def test_what_is_removed_is_not_counted_any_more(
    assets: Assets, assets_with: Callable[..., Assets], database: Database, key_id: UUID
) -> None:
    await much(assets, database, key_id)
    await database.do("INSERT INTO blobs (hash, size_bytes) VALUES ('one more', 1)")

    assert await assets_with(max_asset_bytes=FEW + 1).sweep() == 1

    assert await kept_size(database) == [[{"total": FEW + 1, "bytes": FEW + 1}]]


async def test_beyond_the_size_the_oldest_go_first_and_no_more_than_must(
    assets: Assets, assets_with: Callable[..., Assets], database: Database, key_id: UUID
) -> None:
    uploaded = []
    for number in range(5):
        uploaded.append(await upload(assets, key_id, bytes([number])))
        await age(database, 4000)

    assert await assets_with(max_asset_bytes=2500).sweep() == 3

    left = [number for number, asset in enumerate(uploaded) if await assets.get(asset.id)]
    assert left == [3, 4]


async def test_beyond_the_size_an_ended_job_goes_with_its_outputs(
    assets: Assets, assets_with: Callable[..., Assets], database: Database, store: Store, key_id: UUID
) -> None:
    made = await store.submit(job(key_id))
    await output(assets, database, made, b"x")
    await store.cancel(made.id)
    await age(database)

    assert await assets_with(max_asset_bytes=0).sweep() == 1
    assert await store.get(made.id) is None


async def test_beyond_the_size_nothing_goes_that_is_used_or_new(
    assets: Assets, assets_with: Callable[..., Assets], database: Database, store: Store, key_id: UUID
) -> None:
    read = await upload(assets, key_id, b"read")
    running, ended = await store.submit(job(key_id)), await store.submit(job(key_id))
    await output(assets, database, running, b"running")
    beside = await output(assets, database, ended, b"ended")
    await store.cancel(ended.id)
    await store.submit(job(key_id, inputs=[read.id, beside.id]))
    await age(database)
    await upload(assets, key_id, b"new")

    assert await assets_with(max_asset_bytes=0).sweep() == 0


async def test_what_a_forgotten_job_shares_with_others_stays(
    assets: Assets, assets_with: Callable[..., Assets], database: Database, store: Store, key_id: UUID
) -> None:
    made = await store.submit(job(key_id))
    await output(assets, database, made, b"own")
    await made_by(database, made, await upload(assets, key_id, b"shared"))
    await store.cancel(made.id)
    shared = await upload(assets, key_id, b"shared")
    await store.submit(job(key_id, inputs=[shared.id]))
    await age(database)

    assert await assets_with(max_asset_bytes=0).sweep() == 1
    assert await whole(assets.read(shared)) == noise(1000, b"shared")


async def test_bytes_that_are_asked_for_by_hash_are_new_again(
    assets: Assets, assets_with: Callable[..., Assets], database: Database, key_id: UUID
) -> None:
    asset = await upload(assets, key_id, b"x")
    await age(database, 7200)
    await assets.from_hash(key_id, asset.hash)

    assert await assets_with(max_asset_bytes=0).sweep() == 0


async def test_what_a_retry_makes_live_again_stays(
    assets: Assets, database: Database, store: Store, key_id: UUID
) -> None:
    asset = await upload(assets, key_id, b"x", expires_in=60)
    reader = await store.submit(job(key_id, inputs=[asset.id]))
    await store.cancel(reader.id)
    await age(database)

    async with database.transaction() as retrying:
        await change(retrying, reader.id, JobState.QUEUED, "retried")
        sweeping = asyncio.create_task(assets.sweep())
        await until_somebody_waits(database)

    assert await sweeping == 0
    assert await assets.get(asset.id) is not None


async def test_an_upload_of_what_is_just_being_swept_has_its_bytes(
    database: Database, assets: Assets, blobs: Blobs, settings: Settings, key_id: UUID
) -> None:
    asset = await upload(assets, key_id, b"x")
    await assets.delete(asset.id)
    await age(database)
    slow = SlowBlobs(blobs._root)
    sweeping = asyncio.create_task(Sweep(database, slow).run(None))
    await slow.is_deleting.wait()
    uploading = asyncio.create_task(upload(assets, key_id, b"x"))
    await until_somebody_waits(database)
    slow.may_go_on.set()

    again = await uploading

    assert await sweeping == 1
    assert await whole(assets.read(again)) == noise(1000, b"x")


class SlowBlobs(Blobs):
    """A store that takes its time to delete."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.is_deleting, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def delete(self, digest: str) -> None:
        self.is_deleting.set()
        await self.may_go_on.wait()
        await super().delete(digest)


async def test_uploads_and_sweeps_at_once_never_lose_bytes(
    assets: Assets, database: Database, key_id: UUID
) -> None:
    async def busy() -> None:
        for _ in range(10):
            asset = await upload(assets, key_id, b"x")
            assert await whole(assets.read(asset)) == noise(1000, b"x")
            await assets.delete(asset.id)
            await age(database, 4000)

    async def sweeping() -> None:
        while not done:
            await assets.sweep()

    done = False
    sweeper = asyncio.create_task(sweeping())
    await busy()
    done = True
    await sweeper
    await assets.sweep()

    assert await database.all("SELECT hash FROM blobs") == []


async def test_one_process_sweeps_at_a_time(
    database: Database, assets: Assets, blobs: Blobs, key_id: UUID
) -> None:
    asset = await upload(assets, key_id, b"x")
    await assets.delete(asset.id)
    await age(database)
    slow = SlowBlobs(blobs._root)
    sweeping = asyncio.create_task(Sweep(database, slow).run(None))
    await slow.is_deleting.wait()

    assert await assets.sweep() == 0

    slow.may_go_on.set()
    assert await sweeping == 1


async def test_a_sweep_that_dies_half_way_is_finished_by_the_next(
    database: Database, assets: Assets, blobs: Blobs, key_id: UUID
) -> None:
    asset = await upload(assets, key_id, b"x")
    await assets.delete(asset.id)
    await age(database)
    slow = SlowBlobs(blobs._root)
    sweeping = asyncio.create_task(Sweep(database, slow).run(None))
    await slow.is_deleting.wait()
    sweeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sweeping

    assert await assets.sweep() == 1


async def test_a_blob_that_was_never_written_is_forgotten(
    database: Database, assets: Assets, key_id: UUID
) -> None:
    """A crash between the row and the bytes leaves a row; nobody can get an asset of it."""
    await database.do("INSERT INTO blobs (hash, size_bytes) VALUES ('00', 1)")
    await age(database)

    assert await assets.sweep() == 1
    assert await database.all("SELECT hash FROM blobs") == []


async def test_a_thousand_expired_jobs_go_in_one_sweep(
    assets: Assets, database: Database, key_id: UUID
) -> None:
    await database.do(
        "INSERT INTO jobs (id, key_id, state, prompt, need, expires_at) "
        "SELECT gen_random_uuid(), %(key_id)s, 'succeeded', '{}', 'n', now() - interval '1 s' "
        "FROM generate_series(1, 1000)",
        key_id=key_id,
    )

    await assets.sweep()

    assert await database.one("SELECT count(*) AS left FROM jobs") == {"left": 0}


async def test_the_bytes_of_what_is_deleted_go_with_the_next_sweep(
    assets: Assets, database: Database, key_id: UUID
) -> None:
    asset = await upload(assets, key_id, b"x")
    await age(database)
    before = await assets.sweep()
    await assets.delete(asset.id)

    assert (before, await assets.sweep(), await assets.sweep()) == (0, 1, 0)
    assert await database.all("SELECT FROM loose_blobs") == []


async def test_the_bytes_of_two_assets_go_with_the_second(
    assets: Assets, database: Database, key_id: UUID
) -> None:
    one = await upload(assets, key_id, b"x", tags=["a"])
    other = await upload(assets, key_id, b"x", tags=["b"])
    await age(database)
    swept = [await assets.sweep()]
    for asset in (one, other):
        await assets.delete(asset.id)
        swept.append(await assets.sweep())

    assert swept == [0, 0, 1]


async def test_an_older_process_deletes_assets_too(
    assets: Assets, database: Database, store: Store, key_id: UUID
) -> None:
    made = await store.submit(job(key_id))
    await output(assets, database, made, b"x")
    await store.cancel(made.id)
    await age(database)
    before = await assets.sweep()
    await database.do("DELETE FROM jobs")

    assert (before, await assets.sweep()) == (0, 1)


async def test_a_thumbnail_goes_after_its_picture(assets: Assets, database: Database, key_id: UUID) -> None:
    picture = await upload(assets, key_id, b"picture")
    small = await upload(assets, key_id, b"small")
    await database.do(
        "INSERT INTO thumbnails (hash, size, thumbnail, width, height) "
        "VALUES (%(hash)s, 256, %(small)s, 1, 1)",
        hash=picture.hash,
        small=small.hash,
    )
    await assets.delete(small.id)
    await age(database)
    swept = [await assets.sweep()]
    await assets.delete(picture.id)
    swept += [await assets.sweep(), await assets.sweep()]

    assert swept == [0, 1, 1]
    assert not await assets.blobs.exists(small.hash)


async def test_bytes_of_which_no_asset_was_made_are_found_among_those_given_since(
    assets: Assets, database: Database
) -> None:
    first = await assets.sweep()
    await database.do(
        "INSERT INTO blobs (hash, size_bytes, touched_at) VALUES ('00', 1, now() - interval '3700 seconds')"
    )

    assert (first, await assets.sweep()) == (0, 1)


@pytest.mark.parametrize("whole_at", ["now() - interval '25 hours'", "now() + interval '1 year'"])
async def test_all_bytes_are_looked_at_once_a_day_and_when_a_clock_was_set_back(
    assets: Assets, database: Database, whole_at: str
) -> None:
    await assets.sweep()
    await database.do(
        "INSERT INTO blobs (hash, size_bytes, touched_at) VALUES ('00', 1, now() - interval '2 days')"
    )
    not_looked_at = await assets.sweep()
    await database.do(f"UPDATE swept SET whole_at = {whole_at}")

    assert (not_looked_at, await assets.sweep(), await assets.sweep()) == (0, 1, 0)
    assert await database.all("SELECT FROM swept WHERE whole_at BETWEEN now() - interval '1 hour' AND now()")
