"""What somebody finds who tries the service's address itself."""

import re
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from tests.service.api.conftest import Service, error_of
from tests.service.serving import asking

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
async def stranger(service: Service) -> Any:
    """Somebody without a key, where keys are required."""
    async with asking(base_url=service.url, timeout=60) as client:
        yield client


async def test_a_program_is_told_where_to_go_on_as_json(stranger: httpx.AsyncClient):
    told = (await stranger.get("/")).json()

    assert (told["service"], told["openapi"]) == ("comfywire", "/api/v2/openapi.json")
    assert "durable queue" in told["what"]


async def test_every_place_that_the_json_names_is_there(service: Service, stranger: httpx.AsyncClient):
    told = (await stranger.get("/")).json()
    paths = [value for value in told.values() if value.startswith("/")]

    async with service.client("admin") as operator:
        assert {path: (await operator.get(path)).status_code for path in paths} == dict.fromkeys(paths, 200)
    assert len(paths) > 5


async def test_a_browser_gets_the_page_and_every_file_that_it_names(
    service: Service, stranger: httpx.AsyncClient
):
    page = await stranger.get("/", headers=BROWSER)
    links = [link for link in re.findall(r'(?:href|src)="([^"]+)"', page.text) if not link.startswith("api/")]

    found = {link: (await stranger.get(urljoin(f"{service.url}/", link))).status_code for link in links}
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert found == dict.fromkeys(links, 200)
    assert len(links) >= 4  # what is not named is loaded by a view, when somebody opens it


async def test_the_page_s_links_hold_behind_a_proxy_that_has_the_service_under_a_path(
    stranger: httpx.AsyncClient,
):
    links = re.findall(r'(?:href|src)="([^"]+)"', (await stranger.get("/", headers=BROWSER)).text)

    assert [link for link in links if link.startswith(("/", "http"))] == []


async def test_the_page_s_policy_lets_nothing_run_but_its_own_files(stranger: httpx.AsyncClient):
    page = await stranger.get("/", headers=BROWSER)
    rules = dict(rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; "))

    assert (rules["default-src"], rules["script-src"], rules["style-src"]) == ("'none'", "'self'", "'self'")
    assert rules["require-trusted-types-for"] == "'script'"
    assert re.findall(r"<script(?![^>]* src=)|<style|\bon\w+=| style=|https?://", page.text) == []


async def test_only_whether_it_is_there_can_be_asked(stranger: httpx.AsyncClient):
    answer = await stranger.head("/")

    assert (answer.status_code, answer.content) == (200, b"")


async def test_a_name_that_is_not_ours_gets_no_page_either(service_with: Any):
    async with service_with(keys_required=False) as service, asking() as client:
        answer = await client.get(service.url, headers={**BROWSER, "Host": "evil.example"})

    assert error_of(answer) == (403, "forbidden")


async def test_the_document_does_not_list_it(client: httpx.AsyncClient):
    assert "/" not in (await client.get("/api/v2/openapi.json")).json()["paths"]
