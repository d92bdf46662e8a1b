"""Pages from elsewhere are kept out: Origin against Host, and what browsers tell of themselves."""

from __future__ import annotations

from urllib.parse import urlsplit

import aiohttp
import pytest
from tests.conformance.conftest import Place
from tests.server.wire import Wire


@pytest.fixture(autouse=True)
def only_on_loopback(place: Place) -> None:
    if not place.is_loopback:
        pytest.skip("origins are compared with the host only if that is the machine itself")


def another_name(host: str | None) -> str:
    return "127.0.0.1" if host == "localhost" else "localhost"


@pytest.mark.parametrize("path", ["/prompt", "/ws", "/system_stats", "/nosuch"])
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "https://{host}:1",
        "http://{other}:{port}",
        "http://evil.example:{port}",
        "http://{host}.evil.example",
    ],
)
async def test_another_origin_is_a_403_without_words(place: Place, wire: Wire, path, origin):
    url = urlsplit(place.url)
    named = origin.format(host=url.hostname, port=url.port, other=another_name(url.hostname))

    assert await wire.get(path, headers={"Origin": named}) == (403, b"")


@pytest.mark.parametrize("origin", ["http://{host}:{port}", "https://{host}:{port}", "http://{host}"])
async def test_the_servers_own_origin_is_served(place: Place, wire: Wire, origin):
    url = urlsplit(place.url)
    named = origin.format(host=url.hostname, port=url.port)

    assert (await wire.get("/prompt", headers={"Origin": named}))[0] == 200


@pytest.mark.parametrize("origin", ["null", ""])
async def test_an_origin_without_a_name_is_served_but_where_own_nodes_run(place: Place, wire: Wire, origin):
    assert (await wire.get("/prompt", headers={"Origin": origin}))[0] == (403 if place.is_ours else 200)


async def test_a_submission_from_elsewhere_is_not_queued(wire: Wire):
    answer = await wire.post("/prompt", {"prompt": {}}, headers={"Origin": "http://evil.example"})

    assert answer == (403, b"")


async def test_a_socket_from_elsewhere_is_refused(wire: Wire):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await wire.session.ws_connect("/ws", headers={"Origin": "http://evil.example"})

    assert refused.value.status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin", "none", "CROSS-SITE"])
async def test_requests_across_sites_are_refused_by_new_servers(place: Place, wire: Wire, site):
    status, _ = await wire.get("/prompt", headers={"Sec-Fetch-Site": site})

    assert status == (403 if place.is_new and site == "cross-site" else 200)
