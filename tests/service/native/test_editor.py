"""``serve --editor``: the files of the package that the operator has installed, and who gets them."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.service.serving import asking

from comfywire.service.native.editor.page import NoEditor, must_be_there
from comfywire.service.settings import Settings


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of the front end's name, with files of our own: tests/browser has the real one."""
    static = tmp_path / "site" / "comfyui_frontend_package" / "static"
    (static / "assets").mkdir(parents=True)
    (static.parent / "__init__.py").write_text("raise RuntimeError('nothing of it runs in the service')")
    (static / "index.html").write_text("<title>the editor</title>")
    for name in ("scripts/app.js", "extensions/core/old.js"):
        (static / name).parent.mkdir(parents=True)
        (static / name).write_text(name)
    (static / "assets" / "index-abc.js").write_text("1")
    (static.parent / "secret").write_text("outside")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comfywire.service.native.editor.page.PACKAGE", "comfywire_no_such_package")


@pytest.mark.usefixtures("installed")
async def test_the_editor_and_its_routes_are_below_one_address(service_with: Any) -> None:
    async with service_with(editor=True) as service, service.client() as client:
        document = await client.get("/editor/")
        script = await client.get("/editor/assets/index-abc.js")
        again = await client.get(
            "/editor/assets/index-abc.js", headers={"If-None-Match": script.headers["etag"]}
        )
        moved = await client.get("/editor")

        assert (document.status_code, document.text) == (200, "<title>the editor</title>")
        assert (script.status_code, script.text, again.status_code) == (200, "1", 304)
        assert (moved.status_code, moved.headers["location"]) == (307, "editor/")
        assert document.headers["content-security-policy"] == "frame-ancestors 'self'"
        assert document.headers["referrer-policy"] == "no-referrer"
        assert (await client.get("/editor/no-such.js")).status_code == 404
        assert (await client.get("/editor/%2e%2e/secret")).status_code == 404
        assert (await client.get("/editor/api/settings")).json() == {}
        assert (await client.get("/editor/internal/logs")).json() == ""


@pytest.mark.usefixtures("installed")
async def test_a_browser_without_a_key_is_told_where_to_sign_in(service_with: Any) -> None:
    async with service_with(editor=True) as service, asking(base_url=service.url) as nobody:
        refused = await nobody.get("/editor/")
        wrong = await nobody.get("/k/cw_wrong/editor/")
        session = await nobody.post("/api/v2/session", json={"key": await service.key("submit", "read")})
        signed_in = await nobody.get("/editor/")

    assert (refused.status_code, wrong.status_code) == (401, 401)
    assert "Sign in with your key" in refused.text
    assert "cw_wrong" not in wrong.text
    assert (session.is_success, signed_in.status_code) == (True, 200)


@pytest.mark.usefixtures("installed")
async def test_a_key_in_the_path_opens_the_editor_and_what_is_below_it(service_with: Any) -> None:
    async with service_with(editor=True) as service, asking(base_url=service.url) as program:
        place = f"/k/{await service.key('native')}/editor"

        assert (await program.get(f"{place}/")).status_code == 200
        assert (await program.get(f"{place}/assets/index-abc.js")).status_code == 200
        assert (await program.post(f"{place}/api/settings/a", json=1)).status_code == 200
        assert (await program.get(f"{place}/api/settings")).json() == {"a": 1}


@pytest.mark.usefixtures("installed")
async def test_without_the_option_there_is_no_editor(client: httpx.AsyncClient) -> None:
    assert (await client.get("/editor/")).status_code == 404
    assert (await client.get("/editor/api/settings")).json() == {}


@pytest.mark.usefixtures("absent")
def test_an_editor_that_is_not_installed_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(NoEditor, match="pip install comfyui-frontend-package"):
        must_be_there(Settings(data=tmp_path, editor=True))
    must_be_there(Settings(data=tmp_path))


@pytest.mark.usefixtures("absent")
async def test_no_application_is_made_without_it(service_with: Any) -> None:
    with pytest.raises(NoEditor):
        async with service_with(editor=True):
            pass


@pytest.mark.usefixtures("installed")
async def test_what_scripts_of_packs_import_is_where_a_comfyui_has_it(service_with: Any) -> None:
    async with service_with(editor=True) as service, asking(base_url=service.url) as browser:
        for name in ("scripts/app.js", "extensions/core/old.js"):
            for place in ("", "/editor"):
                assert (await browser.get(f"{place}/{name}")).text == name


@pytest.mark.usefixtures("installed")
async def test_templates_are_those_of_the_packages_that_are_installed(
    service_with: Any, tmp_path: Path
) -> None:
    for package, name in (("json", "index.json"), ("media_image", "a-1.webp"), ("core", "")):
        folder = tmp_path / "site" / f"comfyui_workflow_templates_{package}"
        folder.mkdir()
        (folder / "__init__.py").write_text("raise RuntimeError('nothing of it runs in the service')")
        if name:
            (folder / "templates").mkdir()
            (folder / "templates" / name).write_text(package)

    async with service_with(editor=True) as service, asking(base_url=service.url) as browser:
        listed = await browser.get("/editor/templates/index.json")
        assert (listed.text, listed.headers["content-type"]) == ("json", "application/json")
        assert (await browser.get("/editor/templates/a-1.webp")).text == "media_image"
        assert (await browser.get("/editor/templates/nope.json")).status_code == 404
        assert (await browser.get("/editor/templates/%2e%2e/__init__.py")).status_code == 404


@pytest.mark.usefixtures("installed")
async def test_without_such_packages_the_list_of_templates_is_empty(service_with: Any) -> None:
    async with service_with(editor=True) as service, asking(base_url=service.url) as browser:
        assert (await browser.get("/editor/templates/index.json")).json() == []


@pytest.mark.usefixtures("installed")
async def test_the_page_links_the_editor_where_there_is_one(service_with: Any) -> None:
    for has_editor in (True, False):
        async with service_with(editor=has_editor) as service, asking(base_url=service.url) as browser:
            page = await browser.get("/", headers={"Accept": "text/html"})
            assert ('data-editor="editor/"' in page.text) == has_editor
