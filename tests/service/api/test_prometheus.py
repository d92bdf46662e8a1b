import uuid
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.service import making
from tests.service.conftest import new_key

from comfywire.service.api.prometheus import BUCKETS, Metrics
from comfywire.service.jobs.changes import change
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.records import NewJob
from comfywire.service.jobs.states import JobState, TransitionKind

PROMPT = {"1": {"class_type": "EmptyImage", "inputs": {}}}
NEED = {"class_types": ["EmptyImage"], "models": {}, "tags": []}


@pytest.fixture
def metrics(database):
    return Metrics(database)


@pytest.fixture
def submit(store, key_id):
    async def submit(**options: Any):
        job = NewJob(uuid.uuid4(), options.pop("key_id", key_id), PROMPT, "need", NEED, **options)
        return (await store.submit(job)).id

    return submit


@pytest.fixture
def end(database):
    """Take a job through its life, so that it ran for ``seconds``."""

    async def end(job_id, *states: JobState, seconds: float = 0.0):
        async with database.transaction() as connection:
            for state in states:
                await change(connection, job_id, state, "for the test")
        await database.do("UPDATE jobs SET submitted_at = started_at WHERE id = %(job_id)s", job_id=job_id)
        await database.do(
            "UPDATE transitions SET at = at - make_interval(secs => %(seconds)s) "
            "WHERE job_id = %(job_id)s AND to_state IN ('queued', 'running')",
            job_id=job_id,
            seconds=seconds,
        )

    return end


async def scrape(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels, in the order of the labels' names."""
    text = (await metrics.text()).decode()
    return {
        (
            sample.name.removeprefix("comfywire_"),
            *(value for _, value in sorted(sample.labels.items())),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def grow_old(database) -> None:
    await database.do("UPDATE transitions SET at = at - interval '10 minutes'")


async def test_the_queue_is_counted_by_state_priority_and_age(metrics, submit, end, database):
    await submit()
    await submit(priority=5)
    await end(await submit(), JobState.RUNNING)
    await database.do("UPDATE jobs SET created_at = now() - interval '90 seconds' WHERE priority = 5")

    found = await scrape(metrics)

    assert [found["jobs", *labels] for labels in (("0", "queued"), ("5", "queued"), ("0", "running"))] == [
        1,
        1,
        1,
    ]
    assert found["queue_oldest_seconds", "5"] == pytest.approx(90, abs=5)


async def test_endings_are_counted(metrics, submit, end):
    await end(await submit(), JobState.RUNNING, JobState.SUCCEEDED)
    await end(await submit(), JobState.RUNNING, JobState.FAILED)
    await end(await submit(), JobState.RUNNING, JobState.SUCCEEDED)

    found = await scrape(metrics)

    assert found["jobs_submitted_total",] == 3
    assert (found["jobs_ended_total", "succeeded"], found["jobs_ended_total", "failed"]) == (2, 1)


@pytest.mark.parametrize(
    ("kind", "counter"),
    [
        (TransitionKind.LOST, "prompts_lost_total"),
        (TransitionKind.FREED, "given_back_total"),
        (TransitionKind.GIVEN_BACK, "given_back_total"),
    ],
)
async def test_a_job_that_is_queued_again_is_counted_by_why(metrics, store, key_id, kind, counter):
    leases = Leases(store, "worker")
    await store.submit(making.job(key_id))
    claim = await making.claimed(store, leases)

    await leases.give_back(claim.lease, "for the test", kind=kind)

    found = await scrape(metrics)
    told = {name: found[name,] for name in ("claims_total", "prompts_lost_total", "given_back_total")}
    assert told == {"claims_total": 1, "prompts_lost_total": 0, "given_back_total": 0} | {counter: 1}


@pytest.mark.parametrize("way", ["put off", "out of reach"])
async def test_a_job_that_is_left_where_it_is_does_not_count_as_queued_again(metrics, store, key_id, way):
    leases = Leases(store, "worker")
    await store.submit(making.job(key_id))
    lease = (await making.claimed(store, leases)).lease

    if way == "put off":
        await leases.put_off(lease, "the disk is full")
    else:
        await leases.out_of_reach(lease, "http://a", patience=9.0, pause=9.0)

    found = await scrape(metrics)
    assert (found["put_off_total",], found["given_back_total",]) == (1, 0)


async def test_a_retry_is_counted(metrics, store, submit, end):
    job_id = await submit()
    await end(job_id, JobState.RUNNING, JobState.FAILED)
    await store.retry(job_id)

    found = await scrape(metrics)

    assert (found["jobs_retried_total",], found["prompts_lost_total",]) == (1, 0)


async def test_run_times_are_a_histogram(metrics, submit, end):
    await end(await submit(), JobState.RUNNING, JobState.SUCCEEDED, seconds=7)
    await end(await submit(), JobState.RUNNING, JobState.SUCCEEDED, seconds=10_000)

    found = await scrape(metrics)

    bounds = ("5.0", "10.0", "3600.0", "+Inf")
    assert [found["job_run_seconds_bucket", bound, "succeeded"] for bound in bounds] == [0, 1, 1, 2]
    assert found["job_run_seconds_sum", "succeeded"] == pytest.approx(10_007, abs=1)


async def test_a_job_that_was_taken_over_has_run_since_it_began(metrics, submit, end, database):
    job_id = await submit()
    await end(job_id, JobState.RUNNING, JobState.RUNNING, JobState.SUCCEEDED)
    await database.do(
        "UPDATE transitions SET at = at - interval '50 seconds' "
        "WHERE from_state = 'queued' AND to_state = 'running'"
    )

    assert (await scrape(metrics))["job_run_seconds_sum", "succeeded"] == pytest.approx(50, abs=1)


async def test_waiting_times_are_a_histogram(metrics, submit, end, database):
    job_id = await submit()
    await end(job_id, JobState.RUNNING)
    await database.do("UPDATE transitions SET at = at - interval '40 seconds' WHERE from_state IS NULL")

    found = await scrape(metrics)

    assert (found["job_wait_seconds_bucket", "30.0"], found["job_wait_seconds_bucket", "60.0"]) == (0, 1)


@pytest.mark.parametrize("scrapes", [0, 1, 3])
async def test_what_is_summed_up_is_counted_once(metrics, submit, end, database, scrapes):
    await end(await submit(), JobState.RUNNING, JobState.SUCCEEDED, seconds=7)
    await grow_old(database)
    for _ in range(scrapes):
        await metrics.text()
    await end(await submit(), JobState.RUNNING, JobState.SUCCEEDED, seconds=7)

    found = await scrape(metrics)

    assert (found["jobs_ended_total", "succeeded"], found["job_run_seconds_count", "succeeded"]) == (2, 2)


async def test_counters_outlive_the_jobs(metrics, submit, end, database):
    await end(await submit(), JobState.RUNNING, JobState.SUCCEEDED, seconds=7)
    await grow_old(database)
    await metrics.text()
    await database.do("DELETE FROM jobs")

    found = await scrape(metrics)

    assert (found["jobs_submitted_total",], found["job_run_seconds_count", "succeeded"]) == (1, 1)


async def test_servers_are_shown_by_state_and_load(metrics, database):
    await database.do(
        "INSERT INTO servers (url, worker, state, running, pending, foreign_prompts, counts, running_since) "
        """VALUES ('http://a', 'w', 'broken', 1, 1, 3, '{"succeeded": 7, "events_lost": 2}', """
        "now() - interval '1 hour')"
    )

    found = await scrape(metrics)

    assert [found["server_state", "http://a", state] for state in ("up", "broken")] == [0, 1]
    assert [found["server_prompts", "http://a", whose] for whose in ("ours", "others")] == [2, 3]
    assert found["server_events_total", "http://a", "events_lost"] == 2
    assert 3600 <= found["server_running_seconds", "http://a"] < 3800


@pytest.mark.parametrize(
    "gone", ["seen_at = now() - interval '61 seconds'", "worker = NULL"], ids=["killed", "stopped"]
)
async def test_a_server_whose_worker_is_gone_is_not_up(metrics, database, gone):
    await database.do("INSERT INTO servers (url, worker, state) VALUES ('http://a', 'w', 'up')")
    await database.do(f"UPDATE servers SET {gone}")

    found = await scrape(metrics)

    assert [found["server_state", "http://a", state] for state in ("up", "silent")] == [0, 1]


async def test_webhooks_are_counted_by_their_answers(metrics, submit, database):
    await database.do(
        "INSERT INTO deliveries (job_id, type, url) VALUES (%(job_id)s, 'job.failed', 'http://x')",
        job_id=await submit(),
    )
    await database.do(
        "INSERT INTO delivery_tries (delivery_id, try, status, seconds) "
        "SELECT id, n, nullif(n, 1) * 100 + 3, 0 FROM deliveries, generate_series(1, 5) AS n"
    )

    found = await scrape(metrics)

    assert found["webhook_deliveries", "waiting"] == 1
    assert [found["webhook_tries", result] for result in ("2xx", "5xx", "no answer")] == [1, 1, 1]


async def test_a_paused_queue_shows(metrics, database):
    await database.do("""INSERT INTO switches (name, value) VALUES ('queue', '{"paused": true}')""")

    assert (await scrape(metrics))["queue_paused",] == 1


async def test_an_empty_service_has_figures(metrics):
    found = await scrape(metrics)

    assert (found["jobs_submitted_total",], found["queue_paused",], found["blobs",]) == (0, 0, 0)


async def test_keys_are_not_told_apart(metrics, submit, database):
    await submit(key_id=await new_key(database, "other"))
    await submit()

    assert (await scrape(metrics))["jobs", "0", "queued"] == 2


def test_the_buckets_rise():
    assert list(BUCKETS) == sorted(set(BUCKETS))


async def test_of_much_that_waits_the_count_and_its_age_are_told(metrics, submit, database):
    await submit()
    before = await scrape(metrics)
    await database.do(
        "INSERT INTO jobs (id, key_id, prompt, need, expires_at) "
        "SELECT gen_random_uuid(), key_id, '{}', need, expires_at FROM jobs, generate_series(1, 5000)"
    )
    await scrape(metrics)
    await database.do(
        "UPDATE counted SET as_of = as_of - interval '5 s', good_until = now() + interval '1 h'"
    )
    kept = await scrape(metrics)

    queued = ("jobs", "0", "queued")
    assert (before[queued], kept[queued]) == (1, 5001)
    assert before["count_age_seconds", "jobs"] == 0.0
    assert kept["count_age_seconds", "jobs"] >= 5.0
