"""COMFYWIRE_SECRET is changed in two rounds, process by process, and none misses anything meanwhile."""

import time
import uuid
from pathlib import Path

import pytest

from comfywire.service.assets.assets import Assets
from comfywire.service.assets.blobs import Blobs
from comfywire.service.assets.signing import Signer
from comfywire.service.database.pool import Database
from comfywire.service.sealing import Sealer
from comfywire.service.settings import Settings
from comfywire.service.webhooks.secrets import WebhookSecrets

OLD, NEW = "an old secret of ours", "a new secret of ours"
BEFORE, LEARNING, CHANGED, AFTER = [OLD], [OLD, NEW], [NEW, OLD], [NEW]
STEPS = [
    pytest.param(LEARNING, BEFORE, id="first-round-under-way"),
    pytest.param(LEARNING, LEARNING, id="first-round-done"),
    pytest.param(CHANGED, LEARNING, id="second-round-under-way"),
    pytest.param(CHANGED, CHANGED, id="second-round-done"),
    pytest.param(AFTER, CHANGED, id="the-old-one-goes"),
]


@pytest.mark.parametrize(("one", "other"), STEPS)
def test_what_one_process_seals_the_other_opens(one: list[str], other: list[str]) -> None:
    content = {"address": "http://user:password@a"}

    assert Sealer(other).open(Sealer(one).seal(content)) == content
    assert Sealer(one).open(Sealer(other).seal(content)) == content


@pytest.mark.parametrize(("one", "other"), STEPS)
def test_a_link_of_one_process_is_good_for_the_other(one: list[str], other: list[str]) -> None:
    signers = [Signer(*Sealer(process).derived_of_all("signed URLs")) for process in (one, other)]

    for by, to in (signers, reversed(signers)):
        assert to.is_good("x", 100, by.sign("x", 100), now=99)


async def test_a_keys_webhooks_are_signed_with_the_same_secret_all_the_time(
    database: Database, key_id: uuid.UUID
) -> None:
    first = await WebhookSecrets(database, Sealer(BEFORE)).of(key_id)

    for process in (LEARNING, LEARNING, CHANGED, CHANGED, AFTER):
        secrets = WebhookSecrets(database, Sealer(process))
        await secrets.seal_anew()
        assert await secrets.of(key_id) == first


async def test_what_was_sealed_under_the_old_secret_needs_it_no_longer_after_the_second_round(
    database: Database, key_id: uuid.UUID
) -> None:
    await WebhookSecrets(database, Sealer(BEFORE)).of(key_id)
    await WebhookSecrets(database, Sealer(CHANGED)).seal_anew()

    found = await database.one("SELECT webhook_secret FROM keys WHERE id = %(id)s", id=key_id)

    assert found is not None
    assert "current" in Sealer(AFTER).open(found["webhook_secret"])


async def test_a_secret_that_is_missing_is_said_and_stops_nothing(
    database: Database, key_id: uuid.UUID, caplog: pytest.LogCaptureFixture
) -> None:
    await WebhookSecrets(database, Sealer(BEFORE)).of(key_id)

    await WebhookSecrets(database, Sealer(AFTER)).seal_anew()

    assert "give the old one too" in caplog.text


async def test_the_folders_of_a_store_are_for_its_account_alone(
    database: Database, key_id: uuid.UUID, tmp_path: Path
) -> None:
    store = tmp_path / "new" / "assets"

    async def once():
        yield b"bytes"

    settings = Settings(data=tmp_path)
    assets = Assets(database, Blobs(str(store)), Signer(b"x"), settings, now=time.time)
    await assets.create(key_id, once())

    folders = [store, *(path for path in store.rglob("*") if path.is_dir())]
    assert {oct(folder.stat().st_mode & 0o777) for folder in folders} == {"0o700"}
