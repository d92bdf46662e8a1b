"""Where, when and with what a benchmark ran: figures without these say nothing."""

from __future__ import annotations

import datetime as dt
import os
import platform
from importlib.metadata import version
from pathlib import Path

__all__ = ["conditions", "conditions_line"]


def conditions() -> dict[str, object]:
    """Return the machine, the versions and the load before the run."""
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} cores, {_processor()}, {platform.system()} {platform.release()}",
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "aiohttp": version("aiohttp"),
        "comfywire": version("comfywire"),
    }


def conditions_line(found: dict[str, object]) -> str:
    """Return them as one line."""
    return (
        f"{found['date']}; {found['machine']}; load before {found['load']}; Python {found['python']}, "
        f"aiohttp {found['aiohttp']}, comfywire {found['comfywire']}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
