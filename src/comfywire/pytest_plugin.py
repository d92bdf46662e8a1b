"""Fixtures for testing programs that talk to a ComfyUI: no ComfyUI, no GPU, a server in milliseconds.

``comfyui_server`` is the server, started once for the whole session in a thread of its own, so that it
serves asynchronous and synchronous tests alike; ``comfyui`` is the same with everything forgotten before
each test; ``comfyui_faults`` are its faults, cleared after each test. Configure it by overriding
``comfyui_server_options`` in ``conftest.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfywire.server import Faults, Server

__all__ = ["comfyui", "comfyui_faults", "comfyui_server", "comfyui_server_options"]


@pytest.fixture(scope="session")
def comfyui_server_options() -> dict[str, Any]:
    """Return the arguments of :class:`comfywire.server.Server`; override this to change them."""
    return {}


@pytest.fixture(scope="session")
def comfyui_server(comfyui_server_options: dict[str, Any]) -> Iterator[Server]:
    """Serve a ComfyUI-compatible API for the whole session, on a free loopback port.

    ``server.url`` is where; ``server.log`` and ``server.requests`` are what happened;
    ``server.wait(server.until_running(prompt_id))`` waits for a condition.
    """
    from comfywire.server import server_in_thread  # noqa: PLC0415 - pytest loads plugins that nobody uses

    with server_in_thread(**comfyui_server_options) as server:
        yield server


@pytest.fixture
def comfyui(comfyui_server: Server) -> Server:
    """Return the session's server as if it had just been started: nothing queued, remembered or counted."""
    comfyui_server.wait(comfyui_server.reset())
    return comfyui_server


@pytest.fixture
def comfyui_faults(comfyui: Server) -> Iterator[Faults]:
    """Return the faults of a clean server; every rule is removed after the test.

    A fault that is a rule can be made from any thread; one that acts at once belongs to the server's loop:
    ``comfyui.wait(comfyui_faults.sockets.cut("rst"))``, ``comfyui.call(comfyui_faults.sockets.deafen)``.
    """
    yield comfyui.faults
    comfyui.call(comfyui.faults.clear)
