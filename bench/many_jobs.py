"""Many small jobs: Comfywire beside a bare loop on aiohttp, and beside published clients with ``--others``.

    python bench/many_jobs.py [--server URL] [-n 300] [--concurrency 1,16,64] [--rounds 5] [--json FILE]

Each contestant runs in a process of its own, so that its CPU time is its own. They take turns, in another
order each round, against one server; what is compared are runs of one round. A job is an 8 x 8 picture in a
colour that says which job it is: submit, wait for the end, fetch the bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machine import conditions, conditions_line
from others.environments import Contestant, installed_others

from comfywire.server import Server

HERE = Path(__file__).parent
PATIENCE = 30.0
"""Seconds that a whole run may take beyond a generous allowance for each job."""
COLOURS = 1 << 24
OWN = [
    Contestant("comfywire", sys.executable, HERE / "contestants" / "ours.py"),
    Contestant("bare loop", sys.executable, HERE / "contestants" / "bare.py"),
]


@dataclass
class Place:
    """The server that all run against, with its count of requests where it is ours."""

    url: str
    requests: Counter[str] | None

    def take_requests(self) -> int | None:
        """Return how many requests came since the last time."""
        if self.requests is None:
            return None
        taken = self.requests.total()
        self.requests.clear()
        return taken


@dataclass
class Rounds:
    """What one contestant did at one concurrency, a row of figures for each round."""

    contestant: Contestant
    concurrency: int
    runs: list[dict[str, Any]] = field(default_factory=list)

    def median(self, key: str) -> float:
        """Return the median over the rounds; NaN when no round came through."""
        values = [run[key] for run in self.runs if key in run]
        return statistics.median(values) if values else float("nan")

    def spread(self, key: str) -> str:
        """Return the least and the most."""
        values = [run[key] for run in self.runs if key in run]
        return f"{min(values):.0f}-{max(values):.0f}" if values else "-"

    def total(self, key: str) -> int:
        """Return the sum over the rounds."""
        return sum(run.get(key, 0) for run in self.runs)

    def ratio(self, bare: Rounds, key: str) -> float:
        """Return the median of the ratios to the bare loop, round by round."""
        pairs = zip(self.runs, bare.runs, strict=True)
        ratios = [one[key] / other[key] for one, other in pairs if key in one and key in other]
        return statistics.median(ratios) if ratios else float("nan")


async def run_contestant(
    contestant: Contestant, place: Place, *, jobs: int, concurrency: int, first: int
) -> dict[str, Any]:
    """Return the figures of one run."""
    place.take_requests()
    command = [str(jobs), str(concurrency), f"bench-{uuid.uuid4().hex[:8]}", str(first)]
    async with contestant.process(place.url, *command) as process:
        limit = PATIENCE + jobs * 0.1
        try:
            out, errors = await asyncio.wait_for(process.communicate(), limit)
        except TimeoutError:
            return {"failures": [f"not done after {limit:.0f} s"], "missing": jobs, "wrong": 0}
    if process.returncode:
        why = errors.decode(errors="replace").strip().splitlines()[-1:] or ["no words"]
        return {"failures": [f"exit status {process.returncode}: {why[0]}"], "missing": jobs, "wrong": 0}
    return _figures(json.loads(out.decode().strip().splitlines()[-1]), place.take_requests())


def _figures(found: dict[str, Any], requests: int | None) -> dict[str, Any]:
    latencies, jobs = found.pop("latencies_ms"), found["jobs"]
    found["jobs_per_second"] = (jobs - found["missing"]) / found["seconds"]
    found["cpu_ms_per_job"] = 1000 * found["cpu_seconds"] / jobs
    if latencies:
        found["p50_ms"] = latencies[len(latencies) // 2]
        found["p99_ms"] = latencies[min(len(latencies) * 99 // 100, len(latencies) - 1)]
    if requests is not None:
        found["requests_per_job"] = requests / (jobs + 1)  # the one that warms up asks, too
    return found


async def compete(contestants: list[Contestant], place: Place, options: argparse.Namespace) -> list[Rounds]:
    """Let all run in turns; the order rotates, so that nobody is always the first."""
    results = [Rounds(each, concurrency) for concurrency in options.concurrency for each in contestants]
    first = 0
    for number in range(options.rounds):
        for concurrency in options.concurrency:
            rows = [row for row in results if row.concurrency == concurrency]
            for row in rows[number % len(rows) :] + rows[: number % len(rows)]:
                figures = await run_contestant(
                    row.contestant, place, jobs=options.n, concurrency=concurrency, first=first % COLOURS
                )
                row.runs.append(figures)
                first += options.n + 1
                print(f"round {number + 1} {row.contestant.name} x{concurrency}", file=sys.stderr)
    return results


HEAD = (
    "| concurrency | client | jobs/s | spread | p50 ms | p99 ms | CPU ms/job | requests/job | wrong "
    "| missing | jobs/s to bare | CPU to bare |"
)


def table(results: list[Rounds]) -> str:
    """Return the results in Markdown: medians over the rounds."""
    lines = [HEAD, "|" + "---|" * 12]
    for row in results:
        bare = next(
            other
            for other in results
            if other.concurrency == row.concurrency and other.contestant.name == "bare loop"
        )
        cells = [
            str(row.concurrency),
            row.contestant.name,
            f"{row.median('jobs_per_second'):.0f}",
            row.spread("jobs_per_second"),
            f"{row.median('p50_ms'):.1f}",
            f"{row.median('p99_ms'):.1f}",
            f"{row.median('cpu_ms_per_job'):.2f}",
            f"{row.median('requests_per_job'):.2f}",
            str(row.total("wrong")),
            str(row.total("missing")),
            f"{row.ratio(bare, 'jobs_per_second'):.2f}",
            f"{row.ratio(bare, 'cpu_ms_per_job'):.2f}",
        ]
        lines.append("| " + " | ".join(cells).replace("nan", "-") + " |")
    return "\n".join(lines)


def failures(results: list[Rounds]) -> list[str]:
    """Return why results are missing: the first reason of each row."""
    found = []
    for row in results:
        reasons = [reason for run in row.runs for reason in run.get("failures", [])]
        if reasons:
            found.append(f"{row.contestant.name} x{row.concurrency}: {reasons[0]}")
    return found


@contextlib.asynccontextmanager
async def place_of(server: str | None) -> AsyncIterator[Place]:
    """Use the server that was named, or this process, which has nothing else to do."""
    if server is not None:
        yield Place(server.rstrip("/"), None)
        return
    async with Server() as ours:
        yield Place(ours.url, ours.requests)


async def main(options: argparse.Namespace) -> None:
    where = conditions()
    with contextlib.ExitStack() as stack:
        others, skipped = installed_others(stack, options.others, options.environments)
        async with place_of(options.server) as place:
            results = await compete([*OWN, *others], place, options)
    versions = {
        row.contestant.name: run["version"] for row in results for run in row.runs if "version" in run
    }
    print(conditions_line(where))
    print(
        f"server: {options.server or 'the test server'}; "
        f"n = {options.n} jobs x {options.rounds} rounds, medians"
    )
    print("; ".join(f"{name}: {version}" for name, version in versions.items()))
    print()
    print(table(results))
    for line in [*failures(results), *(f"{name}: skipped: {why}" for name, why in skipped.items())]:
        print(f"- {line}")
    if options.json is not None:
        rows = [
            {"client": row.contestant.name, "concurrency": row.concurrency, "rounds": row.runs}
            for row in results
        ]
        report = {"conditions": where, "n": options.n, "rows": rows, "skipped": skipped}
        options.json.write_text(json.dumps(report, indent=1))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--server", metavar="URL", help="a running ComfyUI; by default the test server")
    parser.add_argument("-n", type=int, default=300, help="jobs in each run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--concurrency", type=lambda text: [int(word) for word in text.split(",")], default=[1, 16, 64]
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(
        "--others",
        nargs="?",
        const="all",
        help="published clients too: all, or names with commas; installs them from the package index",
    )
    parser.add_argument(
        "--environments", type=Path, metavar="DIR", help="keep their environments there for the next run"
    )
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
