"""The command line's client of a job service: what may be repeated is; errors have the service's words."""

from __future__ import annotations

import asyncio
import mimetypes
import uuid
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from blake3 import blake3

from comfywire.client.names import safe_name
from comfywire.client.saving import PartFile, Place
from comfywire.errors import ComfywireError, ConnectionFailed, ConnectionLost, UnexpectedReply
from comfywire.service_client.event_stream import ServerEvent, read_events

__all__ = ["NoService", "ServiceClient", "ServiceRefused"]

TIME_OUT = httpx.Timeout(60.0, connect=10.0)
SILENCE = 60.0
"""Seconds after which an event stream without even a heartbeat is taken for dead."""
PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds before a request that may be repeated is, while the service is away."""
CHUNK = 1 << 20


class NoService(ConnectionFailed):
    """No job service was reached."""

    next_step = "; name another with --service, or start one with `comfywire serve`"


class ServiceRefused(ComfywireError):
    """The service answered with an error.

    Attributes:
        status: The HTTP status.
        code: Its word for what is wrong, such as ``queue_full``.
        details: More about it, such as ``node_errors``.
        next_step: What to do about it, if it is not in the message; reads on from that.
        retry_after: Seconds after which it may be tried again; None when that is not said.

    """

    def __init__(self, status: int, error: Mapping[str, Any], retry_after: str | None = None) -> None:
        self.status = status
        self.code = str(error.get("code") or status)
        self.details = error.get("details")
        self.retry_after = float(retry_after) if retry_after and retry_after.isdecimal() else None
        self.next_step = "; give --key, or set COMFYWIRE_KEY" if status == 401 else ""
        super().__init__(str(error.get("message") or f"{status} was the answer: is that a job service?"))


class ServiceClient:
    """A job service, by its address.

    Args:
        url: ``http(s)://…``, without ``/api``.
        key: ``cw_…``, where it wants one.
        verify: Whether a certificate must be good.

    Raises:
        ValueError: The address is none.

    """

    def __init__(self, url: str, *, key: str | None = None, verify: bool = True) -> None:
        address = httpx.URL(url if "://" in url else f"http://{url}")
        if address.scheme not in ("http", "https") or not address.host:
            raise ValueError(f"{url!r} is no address of a service; write it like http://127.0.0.1:8190")
        self._was_there = False
        self.url = str(address.copy_with(userinfo=b"")).rstrip("/")
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        # No proxies by environment: a service on this machine is reached directly, as ComfyUI is.
        self._http = httpx.AsyncClient(
            base_url=self.url, headers=headers, verify=verify, timeout=TIME_OUT, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def read(self, path: str, **params: Any) -> Any:
        """Return what is to be read at ``path``; tried for some seconds while the service is away.

        Raises:
            ServiceRefused: It answered with an error.
            ConnectionFailed, ConnectionLost: It was not reached, or broke off.
            UnexpectedReply: What answered is no job service.

        """
        wanted = {name: value for name, value in params.items() if value is not None}
        return await self._repeated("GET", path, params=wanted)

    async def ask(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """Return the answer to a request that changes something; for what it raises, see :meth:`read`.

        It is repeated while the service is away, under one idempotency key: it is carried out once.
        """
        wanted = {name: value for name, value in params.items() if value is not None}
        key = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
        return await self._repeated(method, path, params=wanted, json=body, headers=key)

    async def _repeated(self, method: str, path: str, **request: Any) -> Any:
        for pause in PAUSES:
            try:
                return await self._once(method, path, **request)
            except (ConnectionLost, ConnectionFailed) as error:
                if not self._was_there and isinstance(error, ConnectionFailed):
                    raise
                await asyncio.sleep(pause)
            except ServiceRefused as error:
                if error.status not in (502, 503):
                    raise
                await asyncio.sleep(pause)
        return await self._once(method, path, **request)

    async def _once(self, method: str, path: str, **request: Any) -> Any:
        try:
            response = await self._http.request(method, path, **request)
            self._was_there = True
            return _answer(response)
        except httpx.HTTPError as error:
            raise self._away(error) from error

    def _away(self, error: httpx.HTTPError) -> ComfywireError:
        words = f"{self.url}: {error or type(error).__name__}"
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.UnsupportedProtocol):
            return NoService(f"no job service was reached at {words}")
        return ConnectionLost(f"the connection to the job service broke: {words}")

    async def upload(self, path: Path) -> dict[str, Any]:
        """Return the asset that a file has become; bytes that the service has from us are not sent again.

        Raises:
            OSError: The file cannot be read.
            ServiceRefused, ConnectionFailed, ConnectionLost: As for :meth:`read`.

        """
        digest = await asyncio.to_thread(_hash_of, path)
        try:
            about = {"hash": digest, "file_path": path.name, "tags": ["input"]}
            known: dict[str, Any] = await self.ask("POST", "/api/v2/assets/from-hash", about)
        except ServiceRefused as error:
            if error.status != 404:
                raise
            return await self._send(path, digest)
        return known

    async def _send(self, path: Path, digest: str) -> dict[str, Any]:
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        about = {"content_type": kind, "file_path": path.name, "expected_hash": digest, "tags": "input"}
        with path.open("rb") as file:  # httpx reads it piece by piece
            sent: dict[str, Any] = await self._once(
                "POST", "/api/v2/assets", data=about, files={"file": (path.name, file, kind)}
            )
        return sent

    async def download(self, asset_id: str, folder: Path, name: str) -> Path:
        """Save an asset's bytes in ``folder``; return where: numbered, if the name was taken."""
        path = f"/api/v2/assets/{asset_id}/content"
        try:
            async with (
                self._http.stream("GET", path, follow_redirects=True) as response,
                PartFile(Place(folder, safe_name(name), is_folder=True)) as file,
            ):
                if response.status_code != 200:
                    await response.aread()
                    _answer(response)
                async for chunk in response.aiter_bytes(CHUNK):
                    await file.write(chunk)
                return await file.finish()
        except httpx.HTTPError as error:
            raise self._away(error) from error

    async def events(self, job_id: str) -> AsyncGenerator[ServerEvent, None]:
        """Yield what happens to a job until it has ended; a stream that breaks is resumed where it broke.

        Raises:
            ConnectionLost: The service stayed away for longer than a minute.
            ServiceRefused: It answered with an error.

        """
        last: str | None = None
        failures = 0
        while True:
            try:
                async for event in self._stream(job_id, last):
                    last, failures = event.id or last, 0
                    yield event
                    if event.is_end:
                        return
            except (ConnectionFailed, ConnectionLost):
                if failures >= 20:
                    raise
            except ServiceRefused as error:
                if error.status not in (429, 502, 503) or failures >= 20:
                    raise
            await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
            failures += 1

    async def _stream(self, job_id: str, last: str | None) -> AsyncGenerator[ServerEvent, None]:
        headers = {"Accept": "text/event-stream"} | ({} if last is None else {"Last-Event-ID": last})
        timeout = httpx.Timeout(10.0, read=SILENCE)
        path = f"/api/v2/jobs/{job_id}/events"
        try:
            async with self._http.stream("GET", path, headers=headers, timeout=timeout) as response:
                if response.status_code != 200:
                    await response.aread()
                    _answer(response)
                async for event in read_events(response.aiter_lines()):
                    yield event
        except httpx.HTTPError as error:
            raise self._away(error) from error


def _answer(response: httpx.Response) -> Any:
    if response.status_code == 204:
        return None
    try:
        said = response.json()
    except ValueError as error:
        if response.is_success:
            raise UnexpectedReply(f"{response.url.copy_with(query=None)} did not answer with JSON") from error
        raise _refusal(response, {}) from error
    if response.is_success or (response.status_code in (410, 424) and "error" in said and "id" in said):
        return said
    envelope = said.get("error") if isinstance(said, dict) else None
    told = envelope if isinstance(envelope, dict) else {}
    raise _refusal(response, told)


def _refusal(response: httpx.Response, told: Mapping[str, Any]) -> ServiceRefused:
    refusal = ServiceRefused(response.status_code, told, response.headers.get("retry-after"))
    if "Authorization" in response.request.headers:
        refusal.next_step = ""  # who has given a key that does not open need not be told how to give one
    return refusal


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        hasher = blake3()
        while chunk := file.read(CHUNK):
            hasher.update(chunk)
    return f"blake3:{hasher.hexdigest()}"
