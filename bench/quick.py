"""Minutes, not hours: has anything become slower since the figures that were published last?

    python bench/quick.py [--publish]

Five interleaved rounds of the client beside the bare loop (many_jobs.py), and of the service beside the
least that any does (service_limit.py); medians, as ratios: a machine that is slower today is slower for both.
What is over 15 % worse than ``published.json`` is measured a second time, which decides. ``--publish`` writes
that file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
PUBLISHED = HERE / "published.json"
ROUNDS = "5"
LIMIT = 0.15
Ratios = dict[str, float]
"""By name; more is better of what ends in ``jobs/s``, and less of what ends in ``CPU``."""


def measured() -> Ratios:
    """Run both benchmarks, and return their ratios."""
    return client_ratios(_ran("many_jobs.py", "-n", "200", "--concurrency", "1,16")) | service_ratios(
        _ran("service_limit.py", "--jobs", "150", "--servers", "1")
    )


def _ran(script: str, *options: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        command = [sys.executable, str(HERE / script), *options, "--rounds", ROUNDS, "--json", str(found)]
        subprocess.run(command, check=True, cwd=HERE)
        return json.loads(found.read_text())


def client_ratios(report: Mapping[str, Any]) -> Ratios:
    """Return the client's jobs a second and processor time, as shares of the bare loop's.

    Raises:
        ValueError: A job had no result, or another's: what that took is no figure.

    """
    for row in report["rows"]:
        if any(run["missing"] or run["wrong"] for run in row["rounds"]):
            reasons = [reason for run in row["rounds"] for reason in run.get("failures", [])]
            why = f": {reasons[0]}" if reasons else ""
            raise ValueError(f"{row['client']} missed jobs, {row['concurrency']} at a time{why}")
    rounds = {(row["client"], row["concurrency"]): row["rounds"] for row in report["rows"]}
    ratios = {}
    for (client, at_once), runs in rounds.items():
        if client != "bare loop":
            for name, key in (("jobs/s", "jobs_per_second"), ("CPU", "cpu_ms_per_job")):
                pairs = zip(runs, rounds["bare loop", at_once], strict=True)
                ratios[f"{client}, {at_once} at a time, {name}"] = median(
                    run[key] / bare[key] for run, bare in pairs
                )
    return ratios


def service_ratios(report: Mapping[str, Any]) -> Ratios:
    """Return the service's jobs a second and processor time, as shares of the limit's."""
    figures = report["1 servers"]["service"]
    return {
        "service, jobs/s": figures["jobs/s to the limit's"],
        "service, CPU": figures["both to the limit's"],
    }


def worse(found: Ratios, published: Ratios, limit: float = LIMIT) -> set[str]:
    """Return what is worse than published by more than ``limit``; what was never published is no worse."""
    return {
        name
        for name, ratio in found.items()
        if name in published
        and (
            ratio < published[name] * (1 - limit)
            if name.endswith("jobs/s")
            else ratio > published[name] * (1 + limit)
        )
    }


def verdict(measure: Callable[[], Ratios], published: Ratios) -> tuple[Ratios, set[str]]:
    """Return what was measured, and what is worse than published both times that it was.

    What looks worse is measured once more, and only that decides: a single run may have had bad luck.
    """
    found = measure()
    print(told(found, published))
    suspected = worse(found, published)
    if suspected:
        print(f"measured once more, since these are worse: {', '.join(sorted(suspected))}")
        again = measure()
        print(told(again, published))
        suspected &= worse(again, published)
    return found, suspected


def told(found: Ratios, published: Ratios) -> str:
    """Return a line for each ratio."""
    return "\n".join(
        f"{name}: {ratio:.2f} of the least, published {published.get(name, float('nan')):.2f}"
        for name, ratio in found.items()
    )


def main() -> int:
    """Measure, compare, and measure again where that is called for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--publish", action="store_true", help="write what was measured as published")
    options = parser.parse_args()
    published = json.loads(PUBLISHED.read_text()) if PUBLISHED.exists() else {}
    if options.publish:
        found = measured()
        print(told(found, published))
        rounded = {name: round(ratio, 3) for name, ratio in found.items()}
        PUBLISHED.write_text(json.dumps(rounded, indent=2) + "\n")
        return 0
    _, suspected = verdict(measured, published)
    for name in sorted(suspected):
        print(f"{name} is over 15 % worse than published, twice: profile it, or publish it with the reason")
    return 1 if suspected else 0


if __name__ == "__main__":
    sys.exit(main())
