"""``make bench-quick``: from the figures of its two benchmarks to a verdict."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "bench" / "quick.py"
PUBLISHED = {"a, jobs/s": 1.0, "a, CPU": 1.2}


@pytest.fixture(scope="module")
def quick() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_quick", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(ours: list[tuple[float, float]], bare: list[tuple[float, float]]) -> dict[str, Any]:
    """What many_jobs.py writes: jobs a second and milliseconds of each round."""
    return {
        "rows": [
            {
                "client": name,
                "concurrency": 16,
                "rounds": [
                    {"jobs_per_second": rate, "cpu_ms_per_job": cpu, "missing": 0, "wrong": 0}
                    for rate, cpu in runs
                ],
            }
            for name, runs in (("comfywire", ours), ("bare loop", bare))
        ]
    }


def test_a_ratio_is_the_median_of_those_within_one_round(quick: ModuleType) -> None:
    # The second round fell on a slow minute for both, the third on one for the client alone.
    report = rows([(90, 1.2), (45, 2.4), (10, 9.0)], [(100, 1.0), (50, 2.0), (100, 1.0)])

    assert quick.client_ratios(report) == {
        "comfywire, 16 at a time, jobs/s": pytest.approx(0.9),
        "comfywire, 16 at a time, CPU": pytest.approx(1.2),
    }


@pytest.mark.parametrize("what", ["missing", "wrong"])
def test_a_run_that_missed_jobs_is_no_figure(quick: ModuleType, what: str) -> None:
    report = rows([(90, 1.2)], [(100, 1.0)])
    report["rows"][0]["rounds"][0] |= {what: 1, "failures": ["TimeoutError: "]}

    with pytest.raises(ValueError, match="comfywire missed jobs, 16 at a time: TimeoutError"):
        quick.client_ratios(report)


def test_the_service_s_ratios_are_those_to_the_limit(quick: ModuleType) -> None:
    figures = {"jobs/s": 130.0, "jobs/s to the limit's": 0.56, "both": 9.0, "both to the limit's": 3.4}

    found = quick.service_ratios({"1 servers": {"limit": {}, "service": figures}})

    assert found == {"service, jobs/s": 0.56, "service, CPU": 3.4}


@pytest.mark.parametrize(
    ("found", "worse"),
    [
        pytest.param({"a, jobs/s": 0.86, "a, CPU": 1.37}, set(), id="within-fifteen-percent"),
        pytest.param({"a, jobs/s": 0.84, "a, CPU": 1.2}, {"a, jobs/s"}, id="fewer-jobs"),
        pytest.param({"a, jobs/s": 1.0, "a, CPU": 1.39}, {"a, CPU"}, id="more-processor-time"),
        pytest.param({"a, jobs/s": 2.0, "a, CPU": 0.5}, set(), id="better-is-not-worse"),
        pytest.param({"b, CPU": 9.0}, set(), id="never-published"),
    ],
)
def test_worse_is_beyond_fifteen_percent(quick: ModuleType, found: dict[str, float], worse: set[str]) -> None:
    assert quick.worse(found, PUBLISHED) == worse


GOOD, SLOW, DEAR = (
    {"a, jobs/s": 1.0, "a, CPU": 1.2},
    {"a, jobs/s": 0.5, "a, CPU": 1.2},
    {"a, jobs/s": 0.5, "a, CPU": 3.0},
)


@pytest.mark.parametrize(
    ("runs", "suspected"),
    [
        pytest.param([GOOD], set(), id="good-at-once-is-not-measured-again"),
        pytest.param([SLOW, GOOD], set(), id="the-second-run-acquits"),
        pytest.param([SLOW, DEAR], {"a, jobs/s"}, id="only-what-was-worse-both-times"),
    ],
)
def test_a_second_run_decides(quick: ModuleType, runs: list[dict[str, float]], suspected: set[str]) -> None:
    left = list(runs)
    measure: Callable[[], dict[str, float]] = lambda: left.pop(0)  # noqa: E731

    assert quick.verdict(measure, PUBLISHED) == (runs[0], suspected)
    assert left == []


def test_what_is_published_is_what_is_measured(quick: ModuleType) -> None:
    published = quick.json.loads(quick.PUBLISHED.read_text())

    report: dict[str, Any] = {"rows": []}
    for at_once in (1, 16):
        both = rows([(1, 1)], [(1, 1)])["rows"]
        report["rows"] += [{**row, "concurrency": at_once} for row in both]
    service = {"1 servers": {"service": {"jobs/s to the limit's": 1.0, "both to the limit's": 1.0}}}
    assert published.keys() == (quick.client_ratios(report) | quick.service_ratios(service)).keys()
