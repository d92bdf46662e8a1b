"""The page's files: what is served, how large the first view is, and that nothing in them can run a text."""

import re
from urllib.parse import urljoin

import pytest
from tests.service.api.conftest import Service
from tests.service.serving import asking

from comfywire.service.page.files import digest_of_all, index, static_files

FIRST_VIEW = 120_000
"""Bytes that a newcomer's browser may have to fetch before it shows the first view."""
WRITTEN = {name: file.content.decode() for name, file in static_files().items()}
MODULES = sorted(name for name in WRITTEN if name.endswith(".js"))


def imported(name: str, seen: set[str]) -> set[str]:
    """The modules that a browser fetches for one: what stands in `import ... from`, and so on."""
    for found in re.findall(r'^import .*?"\./([\w.]+)";', WRITTEN[name], re.MULTILINE | re.DOTALL):
        if found not in seen:
            seen.add(found)
            imported(found, seen)
    return seen


def test_the_first_view_is_small_even_for_a_browser_that_takes_no_gzip() -> None:
    modules = {"app.js", "run.js"} | imported("app.js", set()) | imported("run.js", set())
    names = modules | {name for name in WRITTEN if name.endswith((".css", ".svg"))}

    size = len(index().content) + sum(len(static_files()[name].content) for name in names)
    packed = len(index().packed) + sum(len(static_files()[name].packed) for name in names)

    assert (size < 1.25 * FIRST_VIEW, packed < FIRST_VIEW / 2) == (True, True), (size, packed)


@pytest.mark.parametrize("name", MODULES)
def test_no_module_turns_a_text_into_a_page_or_a_program(name: str) -> None:
    ways = (
        r"innerHTML|outerHTML\s*=[^=]|insertAdjacentHTML|document\.write"
        r"|\beval\(|new Function|srcdoc|javascript:"
    )

    assert re.findall(ways, WRITTEN[name]) == []


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_no_file_names_another_site(name: str) -> None:
    addresses = set(re.findall(r"https?://[\w.$-]+", WRITTEN[name]))

    # A namespace is a name and no address; the others are words in a hint.
    assert addresses <= {"http://www.w3.org", "http://127.0.0.1"}


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_imports_is_there(name: str) -> None:
    assert set(re.findall(r'(?:from |import\()"\./([\w.]+)"', WRITTEN[name])) <= set(WRITTEN)


async def test_a_file_is_kept_for_ever_and_another_version_s_is_gone(service: Service) -> None:
    async with asking(base_url=service.url) as stranger:
        kept = await stranger.get(f"/page/{digest_of_all()}/app.js")
        gone = await stranger.get("/page/0123456789abcdef/app.js")
        other = await stranger.get(f"/page/{digest_of_all()}/..%2froutes.py")

    assert (kept.status_code, "immutable" in kept.headers["cache-control"]) == (200, True)
    assert kept.headers["content-type"] == "text/javascript; charset=utf-8"
    assert (gone.status_code, other.status_code) == (404, 404)


async def test_a_browser_that_takes_no_gzip_gets_the_bytes_as_they_are(service: Service) -> None:
    address = urljoin(f"{service.url}/", f"page/{digest_of_all()}/dom.js")
    async with asking() as stranger:
        plain = await stranger.get(address, headers={"Accept-Encoding": "identity"})
        packed = await stranger.get(address)

    assert (plain.headers.get("content-encoding"), packed.headers["content-encoding"]) == (None, "gzip")
    assert plain.content == packed.content == WRITTEN["dom.js"].encode()
