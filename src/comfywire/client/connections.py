"""What a client has open: connections, a socket for all jobs, and what was uploaded and asked for."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from typing import Self

from comfywire.transport.address import Address
from comfywire.transport.http import Http
from comfywire.transport.limits import ReplyLimits
from comfywire.transport.news import News

from .cancelling import Canceller
from .catalogue import Catalogue
from .downloads import Downloads
from .files.tooling import Tooling
from .follower import Follower
from .patience import Patience
from .routes import Routes
from .submitter import Submitter
from .uploads import FOLDER, Uploads

__all__ = ["ClientConnections"]

DEFAULT_URL = "http://127.0.0.1:8188"


class ClientConnections(Routes):
    """The half of :class:`~comfywire.Client` that is opened and closed, and can be opened again."""

    def __init__(
        self,
        url: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        verify: bool = True,
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        unreachable_timeout: float | None = 300.0,
        upload_subfolder: str = FOLDER,
        reply_limits: ReplyLimits | None = None,
    ) -> None:
        if url is None:  # else the token of one server would go to another
            url = os.environ.get("COMFYWIRE_SERVER") or DEFAULT_URL
            token = token or os.environ.get("COMFYWIRE_TOKEN") or None
        self._address = Address.parse(url, headers=headers, token=token)
        self._options = {
            "connect_timeout": connect_timeout,
            "read_timeout": read_timeout,
            "verify": verify,
            "limits": reply_limits or ReplyLimits(),
        }
        self._unreachable_timeout = unreachable_timeout
        self._upload_subfolder = upload_subfolder
        self._patience = Patience()
        self._opened: Http | None = None
        self.counts: Counter[str] = Counter()
        """What following has cost so far: ``reads`` made, ``reads_failed``, ``sockets_lost``."""

    def __repr__(self) -> str:
        return f"<Client {self.url}>"

    @property
    def url(self) -> str:
        """The server's address, without user and password."""
        return self._address.url

    @property
    def client_id(self) -> str:
        """Under which the next prompt is submitted; it changes when the connection was lost."""
        self._must_be_open()
        return self._follower.client_id

    async def __aenter__(self) -> Self:
        return await self.open()

    async def open(self) -> Self:
        """Open the client, as ``async with`` does; :meth:`close` it when it is not needed any more.

        Raises:
            RuntimeError: It is open already.

        """
        if self._opened is not None and not self._opened.news.is_of_a_closed_loop:
            raise RuntimeError("this client is open already")
        self._opened = http = Http(self._address, **self._options)  # type: ignore[arg-type]  # (one dict)
        self._follower = Follower(
            http,
            self.counts,
            unreachable_timeout=self._unreachable_timeout,
            patience=self._patience,
        )
        self._uploads = Uploads(http, subfolder=self._upload_subfolder)
        self._catalogue = Catalogue(http)
        self._tooling = Tooling(http)
        self.downloads = Downloads(http, pause=self._patience.download)
        self.canceller = Canceller(http, self._follower)
        self._submitter = Submitter(
            http,
            self._follower,
            canceller=self.canceller,
            catalogue=self._catalogue,
            patience=self._patience,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; who waits for a job learns so by ConnectionLost, and the job goes on.

        A client that is closed already stays so. It can be opened again; earlier outputs cannot be read then.
        """
        if self._opened is not None:
            http, self._opened = self._opened, None
            if http.news.is_of_a_closed_loop:
                return  # everything in it has ended with it
            await self._follower.close()
            await http.close()

    @property
    def _http(self) -> Http:
        return self._must_be_open()

    @property
    def news(self) -> News:
        """Whether the server answers, for those who wait for it."""
        return self._must_be_open().news

    @property
    def uploads(self) -> Uploads:
        """What was uploaded, so that it is sent once."""
        self._must_be_open()
        return self._uploads

    @property
    def catalogue(self) -> Catalogue:
        """The server's node types, as far as they were asked for."""
        self._must_be_open()
        return self._catalogue

    @property
    def tooling(self) -> Tooling:
        """What the node pack comfyui-tooling-nodes adds to the server."""
        self._must_be_open()
        return self._tooling

    def _must_be_open(self) -> Http:
        if self._opened is None:
            raise RuntimeError(
                "this client is not open: use `async with comfywire.Client(...) as client`, "
                "`with comfywire.sync.Client(...) as client`, or its open() and close()"
            )
        return self._opened
