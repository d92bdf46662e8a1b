"""Figures for Prometheus, computed from the database at each scrape: every process gives the same answer.

Counters must outlive the jobs that they count. So each scrape adds the transitions that are older than any
open transaction to the table ``tallies``, and counts the newer ones in passing; a scrape costs what has
happened since the last one. Of what waits, of webhooks and blobs counts are kept (``database/counted.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from comfywire.service.database.counted import Counted, counted
from comfywire.service.database.pool import Connection, Database, Row, execute, row, rows
from comfywire.service.fleet.demand import MOST_NEEDS, Demand, demand_of
from comfywire.service.fleet.registry import SILENT_AFTER
from comfywire.service.sql import queries

__all__ = ["BUCKETS", "CONTENT_TYPE", "Metrics"]

SQL = queries("metrics")
ESTIMATES = queries("estimates")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Upper bounds of the histograms' buckets, in seconds; one more bucket has what is above all of them."""
NEWEST = 2**63 - 1
"""An event id that no transition reaches."""
SERVER_STATES = ("up", "down", "broken", "stuck", "silent")


@dataclass(slots=True)
class Figures:
    """What the database says at one moment."""

    waiting: list[Row] = field(default_factory=list)
    tallies: list[Row] = field(default_factory=list)
    servers: list[Row] = field(default_factory=list)
    webhooks: list[Row] = field(default_factory=list)
    webhook_tries: list[Row] = field(default_factory=list)
    assets: Row = field(default_factory=dict)
    demand: Demand = field(default_factory=Demand)
    is_paused: bool = False
    ages: dict[str, float] = field(default_factory=dict)


class Metrics:
    """The figures of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def text(self) -> bytes:
        """Return all figures in Prometheus' format.

        Raises:
            psycopg.OperationalError, psycopg_pool.PoolTimeout: The database is away.

        """
        registry = CollectorRegistry()
        registry.register(_Read(await self.read()))
        return generate_latest(registry)

    async def read(self) -> Figures:
        """Return the figures, and add the transitions that have become old enough to the tallies."""
        counts = {name: await self._counted(name) for name in ("jobs", "webhooks", "webhook_tries", "blobs")}
        needs = await counted(self._database, "needs", ESTIMATES["waiting"], limit=MOST_NEEDS)
        async with self._database.transaction() as connection:
            tallies = await _sum_up(connection)
            paused = await row(connection, SQL["is_paused"])
            return Figures(
                waiting=[*counts["jobs"].rows, *await rows(connection, SQL["running"])],
                tallies=tallies,
                servers=await rows(connection, SQL["servers"], silent_after=SILENT_AFTER),
                webhooks=list(counts["webhooks"].rows),
                webhook_tries=list(counts["webhook_tries"].rows),
                assets=counts["blobs"].rows[0],
                demand=demand_of(needs.rows, as_of=needs.as_of),
                is_paused=bool(paused and paused["paused"]),
                ages={name: each.age for name, each in counts.items()} | {"needs": needs.age},
            )

    async def _counted(self, name: str) -> Counted:
        return await counted(self._database, f"metrics {name}", SQL[name])


async def _sum_up(connection: Connection) -> list[Row]:
    """Return all tallies as of now, having stored those of transitions up to the horizon.

    Event ids are given out before their transactions commit, so that a lower id may appear after a higher
    one. Only up to the horizon can no id appear any more; what is newer is measured afresh at each scrape.
    """
    # The lock comes first: two processes that are scraped at once would else add the same transitions twice.
    mark, horizon = await row(connection, SQL["lock_tallied"]), await row(connection, SQL["horizon"])
    assert mark is not None
    after = mark["event_id"]
    if horizon is not None and horizon["event_id"] > after:
        old = await _measure(connection, after, horizon["event_id"])
        columns = {
            f"{name}s": [tally[name] for tally in old]
            for name in ("name", "label", "bucket", "count", "total")
        }
        await execute(connection, SQL["add_tallies"], **columns)
        await execute(connection, SQL["move_tallied"], event_id=horizon["event_id"])
        after = horizon["event_id"]
    return [*await rows(connection, SQL["tallies"]), *await _measure(connection, after, NEWEST)]


async def _measure(connection: Connection, after: int, until: int) -> list[Row]:
    return await rows(connection, SQL["measure"], after=after, until=until, bounds=list(BUCKETS))


class _Read(Collector):
    """Hands figures to the Prometheus client; they were read before, since its collectors cannot await."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """Yield the figures as metrics."""
        yield from _queue(self._figures)
        yield from _demand(self._figures.demand)
        yield from _endings(self._figures.tallies)
        yield from _servers(self._figures.servers)
        yield from _webhooks(self._figures)
        yield _gauge("blobs", "Distinct contents in the asset store.", self._figures.assets.get("blobs", 0))
        yield _gauge("blob_bytes", "Bytes in the asset store.", self._figures.assets.get("size_bytes", 0.0))
        yield _ages(self._figures.ages)


def _gauge(
    name: str, words: str, value: float | None = None, labels: Sequence[str] = ()
) -> GaugeMetricFamily:
    return GaugeMetricFamily(
        f"comfywire_{name}", words, value=value, labels=None if value is not None else labels
    )


def _ages(ages: Mapping[str, float]) -> Metric:
    age = _gauge(
        "count_age_seconds", "How old a count is: of much, one is kept for up to a minute.", labels=["of"]
    )
    for name, seconds in sorted(ages.items()):
        age.add_metric([name], seconds)
    return age


def _queue(figures: Figures) -> Iterator[Metric]:
    jobs = _gauge("jobs", "Jobs that have not ended.", labels=["state", "priority"])
    oldest = _gauge("queue_oldest_seconds", "Age of the oldest job that waits.", labels=["priority"])
    for group in figures.waiting:
        jobs.add_metric([group["state"], str(group["priority"])], group["count"])
        if group["state"] == "queued":
            oldest.add_metric([str(group["priority"])], group["age"])
    yield jobs
    yield oldest
    yield _gauge("queue_paused", "1 while the operator has paused the queue.", int(figures.is_paused))


def _demand(demand: Demand) -> Iterator[Metric]:
    """Yield what an autoscaler goes by: the jobs that wait for a server, by what they need of one."""
    by_tag = _gauge("queue_depth_by_tag", "Jobs that wait for a server, by tag.", labels=["tag"])
    for tag, count in sorted(demand.by_tag.items()):
        by_tag.add_metric([tag], count)
    by_model = _gauge("queue_depth_by_model", "Jobs that wait for a server, by model file.", labels=["model"])
    for model, count in sorted(demand.by_model.items()):
        by_model.add_metric([model], count)
    by_need = _gauge("queue_depth_by_need", "Jobs that wait for a server, by need.", labels=["need"])
    for need in demand.needs:
        by_need.add_metric([need.need], need.count)
    yield from (by_tag, by_model, by_need)


def _endings(tallies: Sequence[Row]) -> Iterator[Metric]:
    yield _counter(tallies, "submitted", "jobs_submitted", "Jobs that were submitted.")
    yield _counter(tallies, "ended", "jobs_ended", "Jobs that ended, by how.", label="state")
    yield _counter(tallies, "retried", "jobs_retried", "Jobs that somebody queued again.")
    yield _counter(
        tallies, "lost", "prompts_lost", "Prompts that a ComfyUI lost, and that were queued again."
    )
    yield _counter(
        tallies, "given_back", "given_back", "Times that a job was queued again for another reason."
    )
    yield _counter(
        tallies, "put_off", "put_off", "Times that a job was left where it is, to be looked after again."
    )
    yield _counter(tallies, "claimed", "claims", "Times that a worker took a job, or took it over.")
    yield _histogram(tallies, "wait", "job_wait_seconds", "From queued to running.")
    yield _histogram(
        tallies, "run", "job_run_seconds", "From running to the end, by how it ended.", label="state"
    )


def _counter(tallies: Sequence[Row], tally: str, name: str, words: str, label: str | None = None) -> Metric:
    family = CounterMetricFamily(f"comfywire_{name}", words, labels=[label] if label else [])
    counts = {} if label else {"": 0}
    for each in tallies:
        if each["name"] == tally:
            counts[each["label"]] = counts.get(each["label"], 0) + each["count"]
    for value, count in sorted(counts.items()):
        family.add_metric([value] if label else [], count)
    return family


def _histogram(tallies: Sequence[Row], tally: str, name: str, words: str, label: str | None = None) -> Metric:
    family = HistogramMetricFamily(f"comfywire_{name}", words, labels=[label] if label else [])
    buckets = [bucket for bucket in tallies if bucket["name"] == tally]
    for value in sorted({bucket["label"] for bucket in buckets}):
        own = [bucket for bucket in buckets if bucket["label"] == value]
        family.add_metric([value] if label else [], _cumulative(own), sum(each["total"] for each in own))
    return family


def _cumulative(tallies: Sequence[Row]) -> list[tuple[str, float]]:
    """Return Prometheus' buckets, each of which counts every value up to its bound.

    PostgreSQL's ``width_bucket`` counts each value in one bucket; bucket 0 is below the first bound.
    """
    counts = [0.0] * (len(BUCKETS) + 1)
    for bucket in tallies:
        counts[bucket["bucket"]] += bucket["count"]
    bounds = [*map(str, BUCKETS), "+Inf"]
    return [(bound, sum(counts[: place + 1])) for place, bound in enumerate(bounds)]


def _servers(servers: Sequence[Row]) -> Iterator[Metric]:
    states = _gauge("server_state", "1 for the state that a ComfyUI is in.", labels=["server", "state"])
    wanted = _gauge("server_wanted", "1 for what the operator wants of it.", labels=["server", "wanted"])
    prompts = _gauge("server_prompts", "Prompts on it: ours, and other people's.", labels=["server", "whose"])
    silent = _gauge("server_silent_seconds", "Since a worker last told about it.", labels=["server"])
    running = _gauge("server_running_seconds", "Since it began what it runs of ours.", labels=["server"])
    counts = CounterMetricFamily(
        "comfywire_server_events", "What its worker counts, since it started.", labels=["server", "what"]
    )
    for server in servers:
        url = server["url"]
        for state in SERVER_STATES:
            states.add_metric([url, state], int(server["state"] == state))
        wanted.add_metric([url, server["wanted"]], 1)
        prompts.add_metric([url, "ours"], server["running"] + server["pending"])
        prompts.add_metric([url, "others"], server["foreign_prompts"])
        silent.add_metric([url], server["silent"])
        if server["running_for"] is not None:
            running.add_metric([url], server["running_for"])
        for what, count in _numbers(server["counts"]):
            counts.add_metric([url, what], count)
    yield from (states, wanted, prompts, silent, running, counts)


def _numbers(counts: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    yield from ((what, count) for what, count in sorted(counts.items()) if isinstance(count, int | float))


def _webhooks(figures: Figures) -> Iterator[Metric]:
    deliveries = _gauge("webhook_deliveries", "Deliveries of jobs that are kept, by state.", labels=["state"])
    for group in figures.webhooks:
        deliveries.add_metric([group["state"]], group["count"])
    tries = _gauge("webhook_tries", "Tries to deliver, of jobs that are kept, by answer.", labels=["result"])
    for group in figures.webhook_tries:
        tries.add_metric([group["result"]], group["count"])
    yield from (deliveries, tries)
