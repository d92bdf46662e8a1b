"""Lengths of time as people type them: 45s, 30m, 12h, 7d, 4w."""

from __future__ import annotations

import re

import click

__all__ = ["duration", "running_time"]

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
MOST = 100 * 365 * 86400.0
LONGEST_RUN = 30 * 86400.0
_FORM = re.compile(r"(\d+(?:\.\d+)?)([smhdw])", re.ASCII)


def duration(text: str) -> float:
    """Return the seconds; ``type=duration`` makes an option take them.

    Raises:
        click.BadParameter: It is no length of time, or one of more than a hundred years.

    """
    found = _FORM.fullmatch(text)
    seconds = float(found[1]) * UNITS[found[2]] if found is not None else 0.0
    if not 0.0 < seconds <= MOST:
        raise click.BadParameter(f"{text!r} is no length of time: write 45s, 30m, 12h, 7d or 4w")
    return seconds


def running_time(text: str) -> float:
    """Return the seconds of a time for which a job may run: 30 days at most.

    Raises:
        click.BadParameter: It is no length of time, or a longer one.

    """
    if (seconds := duration(text)) > LONGEST_RUN:
        raise click.BadParameter(f"{text!r} is longer than 30 days, the most that a job may run")
    return seconds
