import asyncio
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from comfywire.service.addresses import (
    GuardedTransport,
    PrivateAddress,
    UnknownHost,
    is_public,
    resolve_public,
)

from .receiver import receiver

SPECIAL = """
127.0.0.1 0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 169.254.169.254 172.16.0.1 192.168.0.1 192.0.0.1
192.0.0.192 192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1
255.255.255.255 ::1 :: fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 ff02::1 ::ffff:127.0.0.1
::ffff:10.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:7f00:1::
2002:a9fe:a9fe:: 2002:c0a8:1:: 2001:0:7f00:1::1 2001::1 2001:db8::1 fec0::1 100::1 ::ffff:0:127.0.0.1
::ffff:0:a9fe:a9fe 2001:10::1 3fff::1 5f00::1 2001:2::1 ff0e::1 ::ffff:0.0.0.0 1.1.1 2130706433
0177.0.0.1 0x7f.1 localhost 4000::1 2001:1ff::1
""".split()


@pytest.mark.parametrize("address", SPECIAL)
def test_an_address_of_ianas_special_registries_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"],
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("0.0.0.0", id="this host"),
        pytest.param("10.1.2.3", id="private 10"),
        pytest.param("172.16.0.1", id="private 172"),
        pytest.param("192.168.0.1", id="private 192"),
        pytest.param("169.254.169.254", id="the clouds' metadata"),
        pytest.param("100.64.0.1", id="behind a provider's NAT"),
        pytest.param("198.18.0.1", id="benchmarks"),
        pytest.param("224.0.0.1", id="multicast"),
        pytest.param("240.0.0.1", id="reserved"),
        pytest.param("255.255.255.255", id="broadcast"),
        pytest.param("::", id="this host, IPv6"),
        pytest.param("::1", id="loopback, IPv6"),
        pytest.param("::127.0.0.1", id="loopback, the old wrapping"),
        pytest.param("::ffff:127.0.0.1", id="loopback, mapped"),
        pytest.param("64:ff9b::10.0.0.1", id="private, NAT64"),
        pytest.param("64:ff9b:1::1", id="local NAT64"),
        pytest.param("2002:7f00:1::", id="loopback, 6to4"),
        pytest.param("2001:0:4136:e378:8000:63bf:3fff:fdd2", id="Teredo"),
        pytest.param("fd00::1", id="unique local"),
        pytest.param("fe80::1%eth0", id="link local"),
        pytest.param("fec0::1", id="site local"),
        pytest.param("ff02::1", id="multicast, IPv6"),
        pytest.param("example.org", id="no address"),
    ],
)
def test_every_other_address_is_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "localhost", "::1"])
async def test_a_host_that_leads_inside_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(PrivateAddress, match="not a public address"):
        await resolve_public(host, 80)


async def test_private_addresses_can_be_allowed() -> None:
    assert await resolve_public("127.1", 80, allow_private=True) == ["127.0.0.1"]


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64 + ".example.org"], ids=["unknown", "too long"])
async def test_a_host_without_addresses_is_said_to_be_unknown(host: str) -> None:
    with pytest.raises(UnknownHost, match="check the URL"):
        await resolve_public(host, 80, allow_private=True)


async def test_a_guarded_request_inside_is_not_sent() -> None:
    async with receiver() as inside, httpx.AsyncClient(transport=GuardedTransport()) as client:
        with pytest.raises(PrivateAddress):
            await client.get(inside.url)

    assert inside.received == []


async def test_a_redirect_inside_is_not_followed() -> None:
    async with receiver() as inside, receiver(answers=[302]) as outside:
        outside.headers["location"] = inside.url

        async def resolve(
            host: str, port: int, *, allow_private: bool = False, owner: object = None
        ) -> list[str]:
            """The first server stands for a public one, which is not to be had on the machine of a test."""
            return await resolve_public(host, port, allow_private=allow_private or port == outside.port)

        transport = GuardedTransport(resolve=resolve)
        async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
            with pytest.raises(PrivateAddress):
                await client.get(outside.url)

    assert len(outside.received) == 1
    assert inside.received == []


async def test_the_checked_address_is_connected_to_under_the_name_of_the_url() -> None:
    transport = GuardedTransport(allow_private=True)
    async with receiver() as inside, httpx.AsyncClient(transport=transport) as client:
        answer = await client.post(f"http://localhost:{inside.port}/here?x=1", content=b"bytes")

    (received,) = inside.received
    assert answer.status_code == 204
    assert (received.path, received.body) == ("/here", b"bytes")
    assert received.headers["Host"] == f"localhost:{inside.port}"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate of its own for hook.test, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hook.test")])
    now = datetime.now(UTC)
    own = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hook.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(private + own.public_bytes(serialization.Encoding.PEM))
    return path


async def nearby(host: str, port: int, *, allow_private: bool = False, owner: object = None) -> list[str]:
    """Every name is this machine's; its first address swallows nothing and answers nothing."""
    return ["127.0.0.2", "127.0.0.1"]


async def test_a_certificate_is_checked_against_the_name_of_the_url(certificate: Path) -> None:
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=certificate)
    transport = GuardedTransport(resolve=nearby, verify=trusting)
    async with receiver(tls=serving) as inside, httpx.AsyncClient(transport=transport) as client:
        assert (await client.get(f"https://hook.test:{inside.port}/")).status_code == 204

        with pytest.raises(httpx.ConnectError, match="Hostname mismatch"):
            await client.get(f"https://other.test:{inside.port}/")


async def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path) -> None:
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(certificate)
    transport = GuardedTransport(resolve=nearby)
    async with receiver(tls=serving) as inside, httpx.AsyncClient(transport=transport) as client:
        with pytest.raises(httpx.ConnectError, match="self-signed certificate"):
            await client.get(f"https://hook.test:{inside.port}/")


async def test_names_of_one_key_that_nobody_answers_for_hold_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered, real = threading.Event(), socket.getaddrinfo

    def silent(host: str, *rest: Any, **more: Any) -> Any:
        if host.endswith(".hangs.example"):
            answered.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "nobody answers")
        return real(host, *rest, **more)

    monkeypatch.setattr("socket.getaddrinfo", silent)
    hanging = [
        asyncio.ensure_future(resolve_public(f"{number}.hangs.example", 80, owner="a"))
        for number in range(100)
    ]
    try:
        async with asyncio.timeout(5):
            found = await resolve_public("127.0.0.1", 80, allow_private=True, owner="b")
            await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)  # as ComfyUIs are looked up
    finally:
        answered.set()
        ends = await asyncio.gather(*hanging, return_exceptions=True)

    assert found == ["127.0.0.1"]
    assert {type(end) for end in ends} == {UnknownHost}
