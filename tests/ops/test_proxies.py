"""The service behind real reverse proxies, with the samples of deploy/proxies."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import aiohttp
import httpx
import pytest
from tests.service.processes import Service, service
from tests.service.rig import picture

from comfywire.server import Server

from .programs import PATIENCE, find, folder_of_nobody, free_port, running

SAMPLES = Path(__file__).parents[2] / "deploy" / "proxies"
NGINX = """
daemon off;
{user}
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/answers;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {sample}
}}
"""
CADDY = "{{\n\tadmin off\n}}\n{sample}"
Proxy = Callable[[str], AbstractContextManager[str]]


@contextmanager
def nginx(upstream: str) -> Iterator[str]:
    """nginx with its sample in front of ``upstream``; it is where it listens."""
    port = free_port()
    sample = (SAMPLES / "nginx.conf").read_text()
    sample = sample.replace("127.0.0.1:8190", upstream).replace("listen 80;", f"listen 127.0.0.1:{port};")
    program = find("nginx")
    with folder_of_nobody() as (folder, account):
        user = "" if account.is_ours else "user nobody nogroup;"
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=user, sample=sample))
        with running([program, "-p", str(folder), "-c", str(folder / "nginx.conf")]):
            yield answering(port)


@contextmanager
def caddy(upstream: str) -> Iterator[str]:
    """Caddy with its sample in front of ``upstream``; it is where it listens."""
    port = free_port()
    sample = (SAMPLES / "Caddyfile").read_text().replace("127.0.0.1:8190", upstream)
    sample = sample.replace("\ncomfy.example.org {", f"\nhttp://127.0.0.1:{port} {{")
    program = find("caddy")
    with folder_of_nobody() as (folder, _):
        (folder / "Caddyfile").write_text(CADDY.format(sample=sample))
        with running([program, "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]):
            yield answering(port)


def answering(port: int) -> str:
    """The address of what is about to listen on a port, when it does."""
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/healthz", trust_env=False).raise_for_status()
        except httpx.HTTPError:
            continue
        return url
    raise AssertionError(f"nothing answers at {url}")


@pytest.fixture(params=[nginx, caddy], ids=lambda proxy: str(proxy.__name__))
async def there(request: pytest.FixtureRequest, tmp_path: Path, server: Server) -> AsyncIterator[Service]:
    """The service, as it is reached through a proxy."""
    async with service(None, tmp_path / "data", server.url) as direct:
        host = direct.http.base_url.netloc.decode()
        with request.param(host) as url:
            async with httpx.AsyncClient(base_url=f"{url}/api/v2", timeout=PATIENCE, trust_env=False) as http:
                yield Service(http)


async def test_events_come_through_when_they_happen(there: Service, server: Server) -> None:
    held = server.faults.nodes.hold(node_id="2")
    job_id = await there.submit(picture())

    async with there.http.stream("GET", f"/jobs/{job_id}/events") as response:
        lines = response.aiter_lines()
        first = await anext(lines)
        meanwhile = (await there.job(job_id))["status"]
        held.release()
        rest = [line async for line in lines]

    assert first
    assert meanwhile in ("queued", "running")
    assert any("succeeded" in line for line in rest)


async def test_events_come_through_a_websocket(there: Service) -> None:
    job_id = await there.submit(picture())

    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{there.http.base_url}jobs/{job_id}/ws") as socket,
    ):
        told = [message.data async for message in socket]

    assert any("succeeded" in str(text) for text in told)


async def test_large_files_go_through_both_ways(there: Service) -> None:
    content = bytes(range(256)) * (64 << 10)  # 16 MiB

    answer = await there.http.post("/assets", files={"file": ("x.bin", content)})
    path = f"/assets/{answer.json()['id']}/content"
    whole = await there.http.get(path)
    part = await there.http.get(path, headers={"Range": "bytes=1000-1999"})

    assert answer.status_code == 201
    assert whole.content == content
    assert (part.status_code, part.content) == (206, content[1000:2000])


async def test_links_name_the_proxy_and_not_what_is_behind_it(there: Service) -> None:
    answer = await there.http.post("/assets", files={"file": ("x.txt", b"x")})

    assert answer.json()["url"].startswith(f"http://{there.http.base_url.netloc.decode()}/api/v2/signed/")
