"""`--native-home URL`: what node packs add to a ComfyUI beside nodes, from one server, within bounds."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiohttp import ClientSession, web
from tests.service.native.conftest import Service
from tests.service.native.test_editor import installed  # noqa: F401 - a fixture
from tests.service.serving import asking
from yarl import URL

from comfywire.service.native.editor.packs import OWN

SCRIPT = "/extensions/a pack/js/a.js"
RGTHREE = "/extensions/rgthree_Comfy-main/rgthree.js"


class Home:
    """A server with a pack's routes; it keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.read())
        match request.path:
            case "/there/extensions":
                return web.json_response(["/extensions/core/x.js", SCRIPT, RGTHREE, 5])
            case "/there/i18n":
                return web.json_response({"en": {"nodeDefs": {}}})
            case "/there/pack/elsewhere":
                return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})
            case "/there/pack/large":
                return web.Response(body=b"x" * 2000)
            case "/there/pack/endless":
                return await self._endless(request)
            case "/there/pack/broken":
                request.transport.close()  # type: ignore[union-attr]
                return web.Response()
        headers = {"Set-Cookie": "a=b", "Access-Control-Allow-Origin": "*", "X-Theirs": "1", "ETag": '"e"'}
        return web.Response(text=f"{request.method} {request.path_qs}", headers=headers)

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"x" * 1000)
        return response


@pytest.fixture
async def home() -> AsyncIterator[Home]:
    home = Home()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", home.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    home.url = f"http://me:secret@127.0.0.1:{port}/there?key=1"
    yield home
    await runner.cleanup()


@pytest.fixture
async def passing(service_with: Any, home: Home) -> AsyncIterator[Service]:
    async with service_with(native_home=home.url) as service:
        yield service


@pytest.fixture
async def someone(passing: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with passing.client("native") as client:
        yield client


async def test_scripts_and_translations_are_those_of_the_home_server(
    home: Home, someone: httpx.AsyncClient
) -> None:
    listed = (await someone.get("/api/extensions")).json()
    script = await someone.get(SCRIPT, headers={"If-None-Match": '"x"'})
    below = await someone.get(f"/editor{SCRIPT}")

    assert listed == [SCRIPT, RGTHREE]
    assert (await someone.get("/i18n")).json() == {"en": {"nodeDefs": {}}}
    assert (await someone.get("/workflow_templates")).json() == {}  # what is there is no object
    assert script.text == below.text == "GET /there/extensions/a%20pack/js/a.js?key=1"
    assert script.headers["etag"] == '"e"'
    assert "content-security-policy" not in script.headers
    assert home.asked[1].headers["If-None-Match"] == '"x"'


async def test_it_learns_nothing_of_who_asks(home: Home, passing: Service) -> None:
    key = await passing.key("native")
    async with asking(base_url=passing.url, cookies={"comfywire_session": "x"}) as client:
        answer = await client.get("/pack/list", params={"token": key, "a": "1"})

    (asked,) = home.asked
    assert answer.text == "GET /there/pack/list?a=1&key=1"
    assert asked.headers["Authorization"].startswith("Basic ")
    assert key not in str(asked.headers) + asked.path_qs
    assert not {"Cookie", "Origin", "X-Forwarded-For"} & set(asked.headers)


async def test_what_comes_back_can_do_nothing_on_our_address(someone: httpx.AsyncClient) -> None:
    answer = await someone.get("/api/pack/view")

    assert answer.text == "GET /there/api/pack/view?key=1"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not {"set-cookie", "access-control-allow-origin", "x-theirs"} & set(answer.headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_what_changes_anything_needs_an_admin(
    home: Home, passing: Service, someone: httpx.AsyncClient, method: str
) -> None:
    async with passing.client("admin", "native") as admin:
        refused = await someone.request(method, "/pack/do", json={"x": 1})
        done = await admin.request(method, "/pack/do", json={"x": 1})

    assert (refused.status_code, done.status_code, done.text) == (403, 200, f"{method} /there/pack/do?key=1")
    assert home.bodies == [b'{"x":1}']


@pytest.mark.parametrize("path", ["/manager/reboot", "/api/customnode/getlist", "/snapshot/get_current"])
async def test_a_manager_is_for_admins_whatever_the_method(
    home: Home, someone: httpx.AsyncClient, path: str
) -> None:
    assert (await someone.get(path)).status_code == 403
    assert home.asked == []


@pytest.mark.parametrize(
    "path",
    [
        *("/api/v2/no-such", "/v1/no-such", "/prompt/x", "/api/queue/x", "/userdata", "/internal/x"),
        *("/api/assets", "/tags", "/healthz/x", "/k/x", "/page/x", "/extensions/../prompt", "/pack/%2e%2e/x"),
        *("/pack/..%2fx", "/pack/a%5cb", "/"),
    ],
)
async def test_what_is_the_services_own_or_everybodys_is_never_passed_on(
    home: Home, someone: httpx.AsyncClient, path: str
) -> None:
    await someone.get(path)

    assert home.asked == []


async def asked_as_written(
    service: Service, target: str, key: str | None = None, method: str = "GET", **headers: str
) -> int:
    """The status of a request whose path goes out byte by byte: httpx would make it plain first."""
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    async with ClientSession() as session:
        url = URL(service.url + target, encoded=True)
        async with session.request(method, url, headers=headers, allow_redirects=False) as answer:
            await answer.read()
            return answer.status


HIDDEN = [
    *(
        "/./history",
        "/api/./queue",
        "/%2e/history",
        "/api/%2E/queue",
        "/pack/../history",
        "/pack/%2e%2e/history",
    ),
    *("//history", "/api//queue", "/%2fhistory", "/api/%2Fqueue", "/pack%2f..%2fhistory", "/pack/x%2fy"),
    *("/.%5chistory", "/%5chistory", "/pack/\\x", "/pack/x//", "/pack//x", "/pack/.", "/pack/.."),
    *("/;x/history", "/.;x/history", "/pack/..;x/history", "/%20/history", "/%0ahistory", "/pack/%09/x"),
    *("/History", "/api/QUEUE", "/API/queue", "/history/", "/history;x=1", "/api/queue;x/", "/api", "/API/"),
]


async def test_no_way_of_writing_a_path_gets_past_what_is_closed(home: Home, passing: Service) -> None:
    keys = [await passing.key("read"), await passing.key("native"), await passing.key("admin")]
    statuses = {
        (method, target): await asked_as_written(passing, target, key, method)
        for key in keys
        for method in ("GET", "POST")
        for target in HIDDEN
    }

    assert home.asked == []
    # Where ComfyUI's own routes are, the service itself answers, or says that there is no such method.
    assert set(statuses.values()) <= {404, 405}


async def test_no_way_of_writing_a_path_makes_a_manager_anybodys(home: Home, passing: Service) -> None:
    key = await passing.key("native")
    targets = (
        "/./manager/reboot",
        "/Manager/reboot",
        "/manager;x/reboot",
        "/manager/reboot/",
        "/api/SNAPSHOT/x",
    )

    assert [await asked_as_written(passing, target, key) for target in targets] == [404, 403, 403, 403, 403]
    assert home.asked == []


async def test_what_was_judged_is_what_is_sent(home: Home, passing: Service) -> None:
    key = await passing.key("read")
    targets = [
        "/pack/a%20b/%C3%BC",
        "/pack/~!$&'()*+,;=:@-._",
        "/pack/%252e%252e/x",
        "/pack/%3fx/%23/[y]",
        "/pack/x/",
    ]

    assert [await asked_as_written(passing, target, key) for target in targets] == [200] * len(targets)
    assert [asked.path for asked in home.asked] == [
        *("/there/pack/a b/\u00fc", "/there/pack/~!$&'()*+,;=:@-._", "/there/pack/%2e%2e/x"),
        *("/there/pack/?x/#/[y]", "/there/pack/x/"),
    ]


async def test_an_admins_cookie_asks_a_manager_from_pages_of_ours_only(home: Home, passing: Service) -> None:
    paths = ("/manager/reboot", "/api/customnode/getlist", "/snapshot/remove")
    refused: dict[str, list[int]] = {}
    async with asking(base_url=passing.url) as browser:
        await browser.post("/api/v2/session", json={"key": await passing.key("admin")})
        for name, word in (
            *(("X", ""), ("Origin", "https://evil.example"), ("Sec-Fetch-Site", "none")),
            *(("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site")),
        ):
            answers = [await browser.get(path, headers={name: word}) for path in paths]
            refused[word] = [answer.status_code for answer in answers]
        assert home.asked == []
        own = [{"Origin": passing.url}, {"Sec-Fetch-Site": "same-origin"}]
        allowed = [(await browser.get(path, headers=one)).status_code for one in own for path in paths]
        look = await browser.get("/pack/list")

    assert refused == {
        "": [401] * 3,
        "https://evil.example": [401] * 3,
        "none": [401] * 3,
        "cross-site": [403] * 3,
        "same-site": [403] * 3,
    }
    assert (allowed, look.status_code) == ([200] * 6, 200)


async def test_where_no_keys_are_required_other_sites_ask_no_manager_either(
    service_with: Any, home: Home
) -> None:
    async with (
        service_with(native_home=home.url, keys_required=False) as service,
        asking(base_url=service.url) as client,
    ):
        led = await client.get("/manager/reboot", headers={"Sec-Fetch-Site": "cross-site"})
        meant = await client.get("/manager/reboot")

    assert (led.status_code, meant.status_code, len(home.asked)) == (403, 200, 1)


async def test_every_place_of_the_service_is_known_to_be_its_own(passing: Service) -> None:
    routers = [one.original_router for one in passing.app.router.routes if hasattr(one, "original_router")]
    paths = {route.path for router in routers for route in router.routes}  # type: ignore[attr-defined]

    assert len(paths) > 50
    assert {path.split("/")[1] for path in paths} <= OWN | {""}
    assert {path.split("/")[2] for path in paths if path.startswith("/api/")} <= OWN


async def test_nobody_is_sent_elsewhere_and_nothing_is_too_large(
    someone: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comfywire.service.native.editor.home.LARGEST", 1000)

    elsewhere = await someone.get("/pack/elsewhere")
    large = await someone.get("/pack/large")
    with pytest.raises(httpx.HTTPError):
        await someone.get("/pack/endless")

    assert (elsewhere.status_code, large.status_code) == (502, 502)
    assert "is not followed" in elsewhere.text
    assert "larger than 1000 bytes" in large.text


@pytest.mark.parametrize("path", ["/api/etn/upload/x", "/api/etn/image/a/b", "/pack/put"])
async def test_no_body_that_is_passed_on_is_without_bounds(service_with: Any, home: Home, path: str) -> None:
    async with (
        service_with(native_home=home.url, max_body_bytes=1000) as service,
        service.client("admin") as admin,
    ):
        answer = await admin.put(path, content=b"x" * 5000)

    assert answer.status_code == 413


async def test_without_a_key_nothing_is_passed_on(home: Home, passing: Service) -> None:
    async with asking(base_url=passing.url) as nobody:
        answers = [await nobody.get(path) for path in ("/extensions", SCRIPT, "/pack/list")]

    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert home.asked == []


async def test_a_home_server_that_is_away_is_told_and_stops_no_editor(someone: httpx.AsyncClient) -> None:
    assert (await someone.get("/pack/broken")).status_code == 502


@pytest.mark.usefixtures("installed")
async def test_away_from_home_the_editor_gets_the_notice(service_with: Any) -> None:
    async with (
        service_with(native_home="http://127.0.0.1:9", editor=True) as service,
        service.client() as client,
    ):
        assert (await client.get("/extensions")).json() == ["/extensions/comfywire/packs.js"]


@pytest.mark.usefixtures("installed")
async def test_the_notice_is_about_packs_of_which_the_home_server_has_no_script(
    service_with: Any, home: Home
) -> None:
    async with service_with(native_home=home.url, editor=True) as service, service.client() as client:
        listed = (await client.get("/extensions")).json()
        packs = (await client.get("/extensions/comfywire/packs.json")).json()

    assert listed == [SCRIPT, RGTHREE, "/extensions/comfywire/packs.js"]
    assert packs["SetNode"] == "comfyui-kjnodes"
    assert "Power Lora Loader (rgthree)" not in packs


async def test_without_a_home_server_there_is_nothing_of_it(client: httpx.AsyncClient) -> None:
    assert (await client.get("/extensions")).json() == []
    assert (await client.get(SCRIPT)).status_code == 404
    assert (await client.get("/pack/list")).status_code == 404
    assert (await client.get("/i18n")).json() == {}


@pytest.mark.usefixtures("installed")
async def test_the_editor_is_told_which_nodes_need_scripts(service_with: Any) -> None:
    async with service_with(editor=True) as service, service.client() as client:
        listed = (await client.get("/editor/api/extensions")).json()
        script = await client.get(f"/editor{listed[0]}")
        packs = (await client.get("/editor/extensions/comfywire/packs.json")).json()

    assert listed == ["/extensions/comfywire/packs.js"]
    assert script.headers["content-type"].startswith("text/javascript")
    assert packs["SetNode"] == "comfyui-kjnodes"
    assert packs["Power Lora Loader (rgthree)"] == "rgthree-comfy"
    assert "KSampler" not in packs
