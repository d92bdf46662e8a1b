"""A real browser in front of a real `comfywire serve --demo`, in a process of its own."""

import asyncio
import contextlib
import itertools
import os
import re
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("procrastinate", reason="the job service needs the extra 'service'")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
IS_WANTED = bool(os.environ.get("COMFYWIRE_TEST_BROWSER"))
PATIENCE = 40_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser beside other tests slows both down: these get longer, and `make test` leaves them out."""
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker(pytest.mark.timeout(150))
            if not IS_WANTED:
                item.add_marker(pytest.mark.skip(reason="`make test-browser` runs these"))


@dataclass
class Demo:
    """`comfywire serve --demo`, which can be killed and started again where it was."""

    folder: Path
    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    key: str = ""
    process: Process | None = field(default=None)

    async def start(self) -> None:
        command, environment = self.command()
        self.process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, env=environment)
        told = ""
        assert self.process.stdout is not None
        while "Ctrl-C" not in told:
            line = (await self.process.stdout.readline()).decode()
            assert line, f"it ended, having said: {told}"
            told += line
        self.read(told)

    def command(self) -> tuple[list[str], dict[str, str]]:
        port = self.url.rpartition(":")[2] or "0"
        environment = {name: text for name, text in os.environ.items() if not name.startswith("COMFYWIRE_")}
        environment.update(self.variables)
        command = [sys.executable, "-u", "-m", "comfywire", "serve", "--demo", "--port", port]
        return [*command, "--data", str(self.folder), *self.options], environment

    def read(self, told: str) -> None:
        self.url = re.search(r"ready at (\S+)", told)[1]  # type: ignore[index]
        self.key = re.search(r"A key: (\S+)", told)[1]  # type: ignore[index]

    async def another_key(self, name: str = "other") -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "comfywire", "keys", "create", name, "--data", str(self.folder)),
            stdout=PIPE,
        )
        return (await process.communicate())[0].decode().split()[-1]

    async def stop(self, how: Callable[[Process], None] = Process.terminate) -> None:
        if self.process is not None and self.process.returncode is None:
            how(self.process)
            await self.process.wait()


@contextlib.asynccontextmanager
async def demo_at(folder: Path, *options: str, **variables: str) -> AsyncIterator[Demo]:
    demo = Demo(folder, options, variables)
    await demo.start()
    try:
        yield demo
    finally:
        await demo.stop()


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with demo_at(tmp_path / "data") as demo:
        yield demo


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo with keys for many tests, each of which has a key of its own: :func:`guest`."""
    demo = Demo(tmp_path_factory.mktemp("house"), ("--keys", "--allow-private-urls"))
    command, environment = demo.command()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        told = ""
        for line in process.stdout:
            told += line
            if "Ctrl-C" in line:
                break
        demo.read(told)
        yield demo
        process.terminate()


NUMBERS = itertools.count()


@pytest.fixture
async def guest(house: Demo) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the house with a key of its own, which sees nothing of other tests."""
    async with httpx.AsyncClient(base_url=f"{house.url}/api/v2", timeout=60, trust_env=False) as admin:
        body = {"name": f"guest {next(NUMBERS)}", "scopes": ["submit", "read", "admin"]}
        made = await admin.post("/keys", json=body, headers={"Authorization": f"Bearer {house.key}"})
        key = made.json()["secret"]
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        base_url=f"{house.url}/api/v2", timeout=60, trust_env=False, headers=headers
    ) as client:
        yield client


@contextlib.asynccontextmanager
async def entered(
    opened: "Opening", guest: httpx.AsyncClient, view: str = "run", **options: Any
) -> AsyncIterator[Any]:
    """The page at a view, signed in as a guest."""
    url = str(guest.base_url).removesuffix("/api/v2/")
    allow = "|".join(filter(None, ["401", options.pop("allow", "")]))
    async with opened(url, allow=allow, **options) as page:
        key = guest.headers["Authorization"].removeprefix("Bearer ")
        await page.get_by_label("Key", exact=True).fill(key)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("link", name="Run", exact=True).wait_for()
        await page.evaluate("(hash) => { location.hash = hash; }", f"#/{view}")
        await page.locator("main h1").first.wait_for()
        yield page


async def made(guest: httpx.AsyncClient, **inputs: Any) -> dict[str, Any]:
    """A job of the demo's workflow, ended."""
    labels = inputs.pop("metadata", {})
    body = {"inputs": {"steps": 2, "width": 64, "height": 64, **inputs}, "metadata": labels}
    answer = await guest.post("/workflows/text-to-image/jobs?wait=60", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.fixture
async def browser() -> AsyncIterator[Any]:
    from playwright.async_api import async_playwright  # type: ignore[import-not-found, unused-ignore]

    assert CHROMIUM is not None, "there is no Chromium: `make test-browser` installs Debian's, as root"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


Opening = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture
def opened(browser: Any) -> Opening:
    """Opens a page at an address, in a browser profile of its own; it may report no error of its own."""

    @contextlib.asynccontextmanager
    async def open_page(url: str, *, allow: str = "", **options: Any) -> AsyncIterator[Any]:
        given = {"viewport": {"width": 1280, "height": 900}, **options}
        context = await browser.new_context(**given)
        context.set_default_timeout(PATIENCE)
        page = await context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda told: wrong.extend([told.text] if told.type == "error" else []))
        await page.goto(url)
        try:
            yield page
            serious = [words for words in wrong if not (allow and re.search(allow, words))]
            assert serious == []
        finally:
            await context.close()

    return open_page
