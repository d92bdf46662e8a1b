"""Addresses that stand for a key: ``--native-listen``."""

import uuid
from pathlib import Path

import pytest
from tests.service.native.conftest import Service, submitted
from tests.service.serving import asking, serving

from comfywire.service.access.reach import PublicWithoutKeys, must_be_own
from comfywire.service.native.addresses import OneKey
from comfywire.service.settings import NativeAddress, Settings


async def test_at_an_address_of_its_own_everything_is_one_keys(service: Service) -> None:
    record, secret = await service.core.access.create("comfy-cli", ("admin",))

    async with (
        serving(OneKey(service.app, record.id, service.core.settings)) as url,
        asking(base_url=url) as bare,
    ):
        prompt_id = await submitted(bare)
        free = await bare.post("/free", json={})
        ours = await bare.get("/api/v2/jobs")

    job = await service.core.store.get(uuid.UUID(prompt_id))
    assert job is not None
    assert job.key_id == record.id
    assert free.status_code == 403
    assert ours.status_code == 401
    assert secret not in prompt_id


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]
)
async def test_pages_of_other_sites_may_not_use_it(service: Service, headers: dict[str, str]) -> None:
    record, _ = await service.core.access.create("comfy-cli", ("native",))

    async with (
        serving(OneKey(service.app, record.id, service.core.settings)) as url,
        asking(base_url=url) as bare,
    ):
        assert (await bare.get("/queue", headers=headers)).status_code == 403
        assert (await bare.get("/queue")).status_code == 200


async def test_a_key_that_was_revoked_opens_nothing_there(service: Service) -> None:
    record, _ = await service.core.access.create("comfy-cli", ("native",))
    await service.core.access.revoke(record.id)

    async with (
        serving(OneKey(service.app, record.id, service.core.settings)) as url,
        asking(base_url=url) as bare,
    ):
        assert (await bare.get("/queue")).status_code == 401


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8188=me", NativeAddress("127.0.0.1", 8188, "me")),
        ("[::1]:0=a b", NativeAddress("::1", 0, "a b")),
        (":8188=me", NativeAddress("127.0.0.1", 8188, "me")),
    ],
)
def test_an_address_is_read(text: str, address: NativeAddress) -> None:
    assert NativeAddress.parse(text) == address


@pytest.mark.parametrize("text", ["127.0.0.1:8188", "127.0.0.1=me", "x:99999=me", "x:=me", "x:80="])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write 127"):
        NativeAddress.parse(text)


def test_others_reach_it_only_where_that_is_meant() -> None:
    address = (NativeAddress("0.0.0.0", 8188, "me"),)

    with pytest.raises(PublicWithoutKeys, match="--native-anywhere"):
        must_be_own(Settings(data=Path(), native_listen=address))

    must_be_own(Settings(data=Path(), native_listen=address, native_anywhere=True))
    must_be_own(Settings(data=Path(), native_listen=(NativeAddress("localhost", 8188, "me"),)))
