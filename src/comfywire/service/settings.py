"""The settings of the service, typed; the defaults suit one person's own machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEFAULT_PORT", "MOST_SLOTS", "NativeAddress", "ServerAddress", "Settings"]

DEFAULT_PORT = 8190
"""Next to ComfyUI's 8188 and comfy-api-proxy's 8189, so that all three run on one machine."""
MOST_SLOTS = 16
"""The most prompts that the service puts onto one ComfyUI at a time."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A ComfyUI as an operator writes it: ``URL``, ``URL#tag,tag`` or ``URL#tag,slots=3``.

    Attributes:
        address: The URL, with credentials.
        tags: The words by which jobs ask for this ComfyUI.
        slots: How many of the service's prompts the ComfyUI has at a time; None for the default.

    """

    address: str
    tags: tuple[str, ...] = ()
    slots: int | None = None

    @classmethod
    def parse(cls, text: str) -> ServerAddress:
        """Read the value of ``--server``.

        Raises:
            ValueError: ``slots=`` is not followed by a number in range.

        """
        address, _, words = text.partition("#")
        options = [word.strip() for word in words.split(",") if word.strip()]
        slots = [word.removeprefix("slots=") for word in options if word.startswith("slots=")]
        if slots and not (slots[-1].isascii() and slots[-1].isdigit() and 1 <= int(slots[-1]) <= MOST_SLOTS):
            raise ValueError(f"slots={slots[-1]} is no number from 1 to {MOST_SLOTS}: write slots=2, say")
        tags = tuple(word for word in options if not word.startswith("slots="))
        return cls(address, tags, int(slots[-1]) if slots else None)


@dataclass(frozen=True, slots=True)
class NativeAddress:
    """An address at which ComfyUI's own API is one key's, as an operator writes it: ``ADDRESS:PORT=KEY``.

    Attributes:
        host: Where to listen.
        port: The port; 0 takes a free one.
        key: The key's id or name.

    """

    host: str
    port: int
    key: str

    @classmethod
    def parse(cls, text: str) -> NativeAddress:
        """Read the value of ``--native-listen``.

        Raises:
            ValueError: It is not of that form.

        """
        address, _, key = text.partition("=")
        host, _, port = address.rpartition(":")
        if not key or not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
            raise ValueError(f"{text!r} names no address and key: write 127.0.0.1:8188=KEY-ID, say")
        return cls(host.strip("[]") or "127.0.0.1", int(port), key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of the service.

    Attributes:
        data: The folder for everything that is kept: the embedded database, assets, the secret.
        database_url: ``postgresql://…``; None starts an embedded PostgreSQL in ``data``.
        database_prepare: Whether connections are sessions of our own, with prepared statements and LISTEN;
            False behind a pooler in transaction mode.
        database_listen_url: Where LISTEN works, if not at ``database_url``; without either, each process asks
            every second.
        database_connections: How many this process may have open, the one that listens aside.
        assets_url: Where bytes are kept, as fsspec takes it; None is a folder in ``data``.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        base_url: How clients reach the service, for links in answers and webhooks; None takes the request's.
        servers: ComfyUIs, as ``URL`` or ``URL#tag,tag,slots=3``, credentials in the URL.
        keys_required: Whether requests need a key; a public address insists.
        max_queued: Jobs of one key that may wait.
        max_upload_bytes: The largest asset.
        max_body_bytes: The largest request without a file.
        max_nodes: Nodes of one prompt.
        rate_per_minute: Requests of one key a minute; None does not limit.
        max_streams: Streams of events that one key may have open.
        heartbeat: Seconds of silence after which a stream of events shows that it is alive.
        cors_origins: Pages of these origins may call the API.
        native_listen: Addresses at which ComfyUI's own API needs no key, since each is one key's.
        native_anywhere: Whether these may be others than this machine's own.
        native_home: The ComfyUI whose node packs' routes and browser scripts are passed on; None: no one's.
        editor: Whether ComfyUI's own editor is served at ``/editor/``, if it is installed.
        job_retention: Seconds for which an ended job and its outputs are kept.
        asset_retention: Seconds for which an upload is kept; None keeps it.
        max_asset_bytes: All blobs together; beyond it the oldest that nothing uses go; None does not limit.
        router_wait: Seconds that an answer of the Comfy Router's API waits for its job; comfy-sdk waits 600.
        url_lifetime: Seconds for which a signed download URL is good.
        redirect_downloads: Whether downloads are answered with a link into the asset store, where that makes
            some: S3.
        server_patience: Seconds for which a ComfyUI may be away before its prompts count as lost.
        slots: Prompts of ours at a time on a ComfyUI that does not say: one runs, the others wait there.
        run_timeout: Seconds for which any job may run; None does not limit.
        interrupt_grace: Seconds that a ComfyUI has for letting go of a prompt that is to end.
        max_output_bytes: The largest file that is fetched from a ComfyUI.
        stalled_after: Seconds without a heartbeat after which a worker's jobs are taken over.
        drain_timeout: Seconds that a stopping process waits for its jobs, which it then hands back, and for
            programs of ComfyUI's own API that are connected.
        allow_private_urls: Whether inputs by URL and webhooks may use private and loopback addresses.
        hook_url: An HTTP hook that is asked about each job and each output; see ``hooks.py``.
        hook_timeout: Seconds that a hook has for its answer.
        hooks_fail_open: Whether a hook that gives no answer lets jobs and outputs pass; else it stops them.
        webhook_timeout: Seconds that a webhook's receiver has for its answer.
        openai_default: The workflow, or its alias, that runs for a model of OpenAI's API that nobody knows;
            None answers that there is no such model.
        mcp_wait: Seconds for which a call of MCP waits for the end of its job at most.
        mcp_inline_bytes: The largest picture in an answer of MCP, made smaller for that; 0 sends links.

    """

    data: Path
    database_url: str | None = None
    database_prepare: bool = True
    database_listen_url: str | None = None
    database_connections: int = 12
    assets_url: str | None = None
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    base_url: str | None = None
    servers: tuple[str, ...] = ()
    keys_required: bool = False
    max_queued: int = 10_000
    max_upload_bytes: int = 2 << 30
    max_body_bytes: int = 32 << 20
    max_nodes: int = 5_000
    rate_per_minute: int | None = None
    max_streams: int = 2_000
    heartbeat: float = 15.0
    cors_origins: tuple[str, ...] = ()
    native_listen: tuple[NativeAddress, ...] = ()
    native_anywhere: bool = False
    native_home: str | None = None
    editor: bool = False
    job_retention: float = 7 * 86400.0
    asset_retention: float | None = 7 * 86400.0
    max_asset_bytes: int | None = None
    router_wait: float = 300.0
    url_lifetime: float = 3600.0
    redirect_downloads: bool = False
    server_patience: float = 300.0
    slots: int = 2
    run_timeout: float | None = None
    interrupt_grace: float = 30.0
    max_output_bytes: int = 8 << 30
    stalled_after: float = 8.0
    drain_timeout: float = 30.0
    allow_private_urls: bool = False
    hook_url: str | None = None
    hook_timeout: float = 5.0
    hooks_fail_open: bool = False
    webhook_timeout: float = 15.0
    openai_default: str | None = None
    mcp_wait: float = 50.0
    mcp_inline_bytes: int = 1 << 20
