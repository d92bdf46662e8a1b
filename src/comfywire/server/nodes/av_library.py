"""PyAV, which only sound and video need: imported when the first of their nodes runs."""

from __future__ import annotations

from typing import Any

__all__ = ["pyav"]


def pyav() -> Any:
    """Return the module ``av``.

    Raises:
        RuntimeError: It is not installed.

    """
    try:
        import av  # noqa: PLC0415 - 35 MB of libraries, for those who need them
    except ModuleNotFoundError as error:
        raise RuntimeError(
            'nodes for video and sound need PyAV: in a clone of Comfywire, pip install ".[server-media]"'
        ) from error
    return av
