"""An application behind a real socket, and who asks it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI


@contextlib.asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """Serve ``app``; lend its URL. Connections wait in the socket until it is up."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


def asking(**options: Any) -> httpx.AsyncClient:
    """httpx, without the authorities of TLS: reading them takes 25 ms, and nobody here speaks it."""
    return httpx.AsyncClient(verify=False, **options)
