"""The client of a job service: requests that may be repeated are; errors have the service's words."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import mimetypes
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from comfywire.client.files.names import safe_name
from comfywire.client.saving import PartFile, Place
from comfywire.errors import ConnectionFailed, ConnectionLost
from comfywire.service_client.answers import ServiceRefused, as_away, read_answer
from comfywire.service_client.event_stream import ServerEvent, read_events, read_lines
from comfywire.transport.address import Address
from comfywire.transport.failures import NETWORK_ERRORS
from comfywire.transport.news import News

__all__ = ["ServiceClient"]

EXAMPLE = "http://127.0.0.1:8190"
TIME_OUT = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=60.0)
"""The last is also after how long an event stream without even a heartbeat is taken for dead."""
FIRST_PAUSE = 0.2
PAUSES = (FIRST_PAUSE, 0.5, 1.0, 2.0, 4.0)
"""Seconds before a request that may be repeated is, while the service is away."""
QUIET = 5.0
"""Seconds in which nothing is heard before the service is asked whether it is there."""
MOST_CONNECTIONS = 500
"""Each job that is followed takes one; half of the descriptors that a process has by default."""
MOST_FAILURES = 20
"""An event stream that breaks so many times in a row is given up: that is somewhat more than a minute."""


class ServiceClient:
    """A job service, by its address; use it as a context.

    Args:
        url: ``http(s)://…``, without ``/api``.
        key: ``cw_…``, where the service wants one.
        verify: Whether a certificate must be good.
        pauses: Seconds before a request is repeated for the first time, the second time, and so on.
        quiet: Seconds in which nothing is heard before :meth:`keep_asking` asks.

    Raises:
        ValueError: ``url`` is no address.

    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        verify: bool = True,
        pauses: Sequence[float] = PAUSES,
        quiet: float = QUIET,
    ) -> None:
        self._address = Address.parse(url, token=key, example=EXAMPLE)
        self._verify = verify
        self._pauses = pauses
        self._quiet = quiet
        self._was_there = False
        self._opened: aiohttp.ClientSession | None = None
        self._news: News | None = None

    @property
    def url(self) -> str:
        """The address as it may be shown: without user and password."""
        return self._address.url

    @property
    def news(self) -> News:
        """Whether the service answers, for those who wait for it."""
        if self._news is None:
            raise RuntimeError("this client is not open: use it as a context, `async with`")
        return self._news

    async def keep_asking(self) -> None:
        """Ask whether the service is there whenever nothing is heard of it, until this is cancelled.

        An event stream of a service that hangs with its connections open would only be silent.
        """
        while True:
            await asyncio.sleep(max(self._quiet - self.news.unheard_for, FIRST_PAUSE))
            if self.news.unheard_for >= self._quiet:
                with contextlib.suppress(ConnectionFailed, ConnectionLost):
                    async with self._exchange("GET", "/healthz"):
                        pass

    async def __aenter__(self) -> Self:
        self._news = News(self.url)
        # aiohttp takes no proxy from the environment: a service on this machine is reached directly, as
        # ComfyUI is.
        self._opened = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MOST_CONNECTIONS, ssl=self._verify),
            headers=dict(self._address.headers),
            timeout=TIME_OUT,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._opened is not None
        self.news.close()
        await self._opened.close()

    async def read(self, path: str, **params: Any) -> Any:
        """Return what is to be read at ``path``; tried for some seconds while the service is away.

        Raises:
            ServiceRefused: The service answered with an error.
            ConnectionFailed, ConnectionLost: The service was not reached, or broke off.
            UnexpectedReply: What answered is no job service.

        """
        return await self._repeated("GET", path, params)

    async def ask(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """Return the answer to a request that changes something; for what it raises, see :meth:`read`.

        It is repeated while the service is away, under one idempotency key: it is carried out once.
        """
        headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
        return await self._repeated(method, path, params, headers, body)

    async def _repeated(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Any:
        content = None if body is None else json.dumps(body).encode()
        sent = {**(headers or {}), **({} if content is None else {"Content-Type": "application/json"})}

        async def once() -> Any:
            # Bytes that are a file are written piece by piece, between which others get their turn.
            file = None if content is None else io.BytesIO(content)
            async with self._exchange(method, path, params, headers=sent, data=file) as response:
                return await read_answer(response)

        for pause in self._pauses:
            try:
                return await once()
            except (ConnectionLost, ConnectionFailed) as error:
                if not self._was_there and isinstance(error, ConnectionFailed):
                    raise
                await asyncio.sleep(pause)
            except ServiceRefused as error:
                if error.status not in (502, 503):
                    raise
                await asyncio.sleep(pause)
        return await once()

    @contextlib.asynccontextmanager
    async def _exchange(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, **request: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request; the answer's body is still to be read, inside the context.

        Only downloads follow a redirect; aiohttp takes the key along on the service's own origin alone.
        """
        if self._opened is None or self._opened.closed:
            raise RuntimeError("this client is closed: use it as a context, `async with`")
        url = self._address.http(path, **dict(_pairs(params or {})))
        request = {"allow_redirects": False, **request}
        try:
            asking = self._opened.request(method, url, **request)
            if isinstance(request.get("data"), aiohttp.FormData):  # an upload takes the time that it takes
                response = await asking
            else:
                with self.news.asked(f"{method} {path}"):
                    response = await asking
            async with response:
                self._was_there = True
                if response.status in (502, 503, 504):
                    self.news.failed(f"{self.url} answers {response.status}")
                else:
                    self.news.heard()
                yield response
        except NETWORK_ERRORS as error:
            away = as_away(error, self.url)
            self.news.failed(str(away))
            raise away from error

    async def upload(self, path: Path) -> dict[str, Any]:
        """Return the asset that a file has become. The service keeps equal bytes once.

        Raises:
            OSError: The file cannot be read.
            ServiceRefused, ConnectionFailed, ConnectionLost: As for :meth:`read`.

        """
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        form = aiohttp.FormData(quote_fields=False)
        for name, value in (("content_type", kind), ("file_path", path.name), ("tags", "input")):
            form.add_field(name, value)
        with path.open("rb") as file:  # aiohttp reads it piece by piece, in a thread
            form.add_field("file", file, filename="file", content_type=kind)
            async with self._exchange("POST", "/api/v2/assets", data=form) as response:
                return dict(await read_answer(response))

    async def download(self, asset_id: str, folder: Path, name: str) -> Path:
        """Save an asset's bytes in ``folder``; return where: numbered, if the name was taken."""
        path = f"/api/v2/assets/{asset_id}/content"
        async with (
            self._exchange("GET", path, allow_redirects=True) as response,
            PartFile(Place(folder, safe_name(name), is_folder=True)) as file,
        ):
            if response.status != 200:
                await read_answer(response)
            async for chunk in response.content.iter_any():
                await file.write(chunk)
            return await file.finish()

    async def events(self, job_id: str) -> AsyncGenerator[ServerEvent, None]:
        """Yield what happens to a job until it has ended; a stream that breaks is resumed where it broke.

        Raises:
            ConnectionLost: The service stayed away for longer than a minute.
            ServiceRefused: The service answered with an error.

        """
        async for event in self._events(f"/api/v2/jobs/{job_id}/events"):
            yield event

    async def batch_events(self, batch_id: str) -> AsyncGenerator[ServerEvent, None]:
        """Yield what happens to the jobs of a batch until all have ended.

        A stream that breaks begins again, with every job that does not just wait: the same may come twice.
        Raises what :meth:`events` does.
        """
        async for event in self._events(f"/api/v2/batches/{batch_id}/events"):
            yield event

    async def _events(self, path: str) -> AsyncGenerator[ServerEvent, None]:
        last: str | None = None
        failures = 0
        while True:
            try:
                async for event in self._stream(path, last):
                    last, failures = event.id or last, 0
                    yield event
                    if event.is_end:
                        return
            except (ConnectionFailed, ConnectionLost):
                if failures >= MOST_FAILURES:
                    raise
            except ServiceRefused as error:
                if error.status not in (429, 502, 503) or failures >= MOST_FAILURES:
                    raise
            await asyncio.sleep(self._pauses[min(failures, len(self._pauses) - 1)])
            failures += 1

    async def _stream(self, path: str, last: str | None) -> AsyncGenerator[ServerEvent, None]:
        headers = {"Accept": "text/event-stream"} | ({} if last is None else {"Last-Event-ID": last})
        async with self._exchange("GET", path, headers=headers) as response:
            if response.status != 200:
                await read_answer(response)
            async for event in read_events(read_lines(self._heard(response))):
                yield event

    async def _heard(self, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
        async for chunk in response.content.iter_any():
            self.news.heard()
            yield chunk


def _pairs(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the parameters that have a value, as texts."""
    for name, value in params.items():
        match value:
            case None:
                continue
            case bool():
                yield name, str(value).lower()
            case _:
                yield name, str(value)
