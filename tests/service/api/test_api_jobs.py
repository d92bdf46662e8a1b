from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.service.making import changed, claimed, picture
from tests.service.serving import asking

from comfywire.service.assets.references import ASSET
from comfywire.service.hooks import Hooks
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.states import JobState

from .conftest import PROMPT, Service, error_of, id_of, submitted

PICTURE = b"\x89PNG and so on"


async def test_a_job_that_was_submitted_is_found_under_its_links(client: httpx.AsyncClient):
    job = await submitted(client, metadata={"client": "acme"}, priority=3)

    again = (await client.get(job["urls"]["self"])).json()

    assert (again["id"], again["status"], again["metadata"], again["priority"]) == (
        job["id"],
        "queued",
        {"client": "acme"},
        3,
    )
    assert all(url.startswith(f"/api/v2/jobs/{job['id']}") for url in job["urls"].values())


async def test_a_job_says_how_many_are_before_it(client: httpx.AsyncClient):
    jobs = [await submitted(client) for _ in range(3)]

    assert [job["queue_position"] for job in jobs] == [0, 1, 2]


async def test_a_workflow_comes_back_as_it_was_sent(client: httpx.AsyncClient):
    job = await submitted(client)

    answer = await client.get(job["urls"]["workflow"])

    assert answer.json() == {"workflow": PROMPT, "format": "api"}
    assert error_of(await client.get(job["urls"]["workflow"] + "?format=save")) == (404, "not_found")


async def test_what_was_asked_for_is_shown(client: httpx.AsyncClient):
    job = await submitted(client, webhook_url="https://example.com/hook", queue_timeout=60, retry="never")

    assert job["webhook_url"] == "https://example.com/hook"
    assert job["queue_until"] > job["created_at"]
    assert job["retry"] == {"lost": False, "errors": [], "max_attempts": 1}


async def test_a_job_that_names_no_address_tells_its_keys_own(service: Service):
    own, other = "https://example.com/own", "https://example.com/other"
    async with service.client("submit", "read", webhook_url=own) as client:
        jobs = [
            await submitted(client, webhook_events=["job.started", "job.started"]),
            await submitted(client, webhook_url=other),
        ]

    assert [(job["webhook_url"], job["webhook_events"]) for job in jobs] == [
        (own, ["job.started"]),
        (other, []),
    ]


async def test_secrets_are_sealed_and_in_no_answer(service: Service, client: httpx.AsyncClient):
    job = await submitted(client, extra_data={"api_key_comfy_org": "hush-hush"})

    graph = await service.core.database.one("SELECT secret FROM jobs WHERE id = %(id)s", id=id_of(job))
    assert graph is not None
    assert service.core.sealer.open(graph["secret"]) == {"api_key_comfy_org": "hush-hush"}
    shown = [await client.get(job["urls"][name]) for name in ("self", "workflow", "transitions")]
    assert "hush" not in "".join(answer.text for answer in shown)


async def test_canceling_a_job_that_waits_ends_it(client: httpx.AsyncClient):
    job = await submitted(client)

    first, second = [(await client.post(job["urls"]["cancel"])).json()["status"] for _ in range(2)]

    assert (first, second) == ("canceled", "canceled")


async def test_canceling_a_job_that_a_worker_has_asks_for_its_end(
    service: Service, client: httpx.AsyncClient
):
    job = await submitted(client)
    await claimed(service.core.store)

    assert (await client.post(job["urls"]["cancel"])).json()["status"] == "canceling"


async def test_a_job_that_failed_can_be_retried(service: Service, client: httpx.AsyncClient):
    job = await submitted(client)
    await client.post(job["urls"]["cancel"])

    answer = await client.post(job["urls"]["retry"])

    assert (answer.json()["status"], answer.json()["queue_position"]) == ("queued", 0)


async def test_a_job_that_has_not_ended_cannot_be_retried(client: httpx.AsyncClient):
    job = await submitted(client)

    answer = await client.post(job["urls"]["retry"])

    assert error_of(answer) == (409, "not_retriable")
    assert "is queued" in answer.json()["error"]["message"]


async def test_each_change_of_state_is_told_with_its_reason(client: httpx.AsyncClient):
    job = await submitted(client)
    await client.post(job["urls"]["cancel"])

    told = (await client.get(job["urls"]["transitions"])).json()["transitions"]

    assert [(one["from_status"], one["to_status"]) for one in told] == [
        (None, "queued"),
        ("queued", "canceled"),
    ]
    assert told[1]["reason"] == "cancellation was asked for"


async def test_outputs_are_assets_whose_url_needs_no_key(service: Service, client: httpx.AsyncClient):
    job = await ended_with(service, client, ("image", "image/png"))

    (shown,) = job["outputs"]
    async with asking() as stranger:
        content = (await stranger.get(shown["url"])).content
    assert content == PICTURE
    assert (shown["type"], shown["content_type"], shown["size_bytes"]) == ("image", "image/png", len(PICTURE))
    assert shown["hash"].startswith("blake3:")


@pytest.mark.parametrize(
    ("kind", "content_type", "type_"),
    [
        pytest.param("image", "image/png", "image", id="image"),
        pytest.param("animation", "image/webp", "image", id="a-picture-that-moves"),
        pytest.param("animation", "video/mp4", "video", id="an-animation-in-a-film"),
        pytest.param("video", "video/mp4", "video", id="video"),
        pytest.param("audio", "audio/flac", "audio", id="audio"),
        pytest.param("latent", "application/octet-stream", "latent", id="latent"),
        pytest.param("3d", "model/gltf-binary", "file", id="v2-has-no-word-for-3d"),
        pytest.param("file", "application/zip", "file", id="file"),
        pytest.param("text", "text/plain; charset=utf-8", "text", id="text"),
        pytest.param("value", "application/json", "text", id="a-value-is-the-text-of-its-json"),
    ],
)
async def test_every_kind_of_output_is_shown(
    service: Service, client: httpx.AsyncClient, kind: str, content_type: str, type_: str
):
    job = await ended_with(service, client, (kind, content_type))

    assert [(one["type"], one["kind"]) for one in job["outputs"]] == [(type_, kind)]


async def test_an_output_that_is_withheld_is_told_in_the_warnings(
    service: Service, client: httpx.AsyncClient
):
    told = "node 9: 'a.png' is withheld: not here"

    job = await ended_with(service, client, None, warnings=[told])

    assert (job["outputs"], job["warnings"]) == ([], [told])


async def test_how_long_it_waited_and_ran_is_told_when_it_is_known(
    service: Service, client: httpx.AsyncClient
):
    job = await submitted(client)
    assert job["metrics"] == {"queue_ms": None, "execution_ms": None}
    await changed(service.core.store, id_of(job), JobState.RUNNING)
    await changed(service.core.store, id_of(job), JobState.SUCCEEDED)

    metrics = (await client.get(job["urls"]["self"])).json()["metrics"]

    assert all(isinstance(value, int) and value >= 0 for value in metrics.values())


async def test_the_progress_of_a_job_that_succeeded_is_whole(service: Service, client: httpx.AsyncClient):
    job = await submitted(client)
    leases = Leases(service.core.store, "worker")
    claim = await claimed(service.core.store, leases)
    await leases.began(claim.lease)
    await leases.progress(
        claim.lease, {"value": 0.4, "nodes_done": 2, "nodes_total": 5, "step": 4, "steps": 10}
    )

    half = (await client.get(job["urls"]["self"])).json()["progress"]
    await changed(service.core.store, id_of(job), JobState.SUCCEEDED)
    whole = (await client.get(job["urls"]["self"])).json()["progress"]

    assert (half["value"], half["nodes_done"], half["step"]) == (0.4, 2, 4)
    assert (whole["value"], whole["nodes_done"], whole["step"]) == (1.0, 5, None)


async def test_jobs_are_listed_newest_first_page_by_page(client: httpx.AsyncClient):
    ids = [(await submitted(client))["id"] for _ in range(5)]

    pages, cursor = [], ""
    while cursor is not None:
        page = (await client.get("/api/v2/jobs", params={"limit": 2, "cursor": cursor})).json()
        pages.append([job["id"] for job in page["jobs"]])
        cursor = page["next_cursor"]

    assert pages == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]


async def test_a_job_in_a_list_has_what_the_sdk_reads(client: httpx.AsyncClient):
    job = await submitted(client, metadata={"a": "1"})

    (item,) = (await client.get("/api/v2/jobs")).json()["jobs"]

    assert (item["id"], item["status"], item["metadata"]) == (job["id"], "queued", {"a": "1"})
    assert item["create_time"] == item["update_time"] == job["created_at"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param({"metadata[client]": "acme"}, ["both", "one"], id="one-label"),
        pytest.param({"metadata[client]": "acme", "metadata[run]": "7"}, ["both"], id="all-labels-must-fit"),
        pytest.param({"metadata[client]": "other"}, [], id="no-job-fits"),
        pytest.param({"status": "canceled"}, ["one"], id="a-state"),
        pytest.param({"status": "canceled,queued"}, ["none", "both", "one"], id="states"),
        pytest.param({"workflow": "upscale"}, [], id="a-registered-workflow"),
    ],
)
async def test_lists_are_filtered(client: httpx.AsyncClient, query: dict[str, str], found: list[str]):
    one = await submitted(client, metadata={"name": "one", "client": "acme"})
    await submitted(client, metadata={"name": "both", "client": "acme", "run": "7"})
    await submitted(client, metadata={"name": "none"})
    await client.post(one["urls"]["cancel"])

    listed = (await client.get("/api/v2/jobs", params=query)).json()["jobs"]

    assert [job["metadata"]["name"] for job in listed] == found


@pytest.mark.parametrize(
    ("query", "code"),
    [
        pytest.param("metadata=acme", "invalid_metadata_filter", id="a-label-without-a-name"),
        pytest.param("metadata[a]=1&metadata[a]=2", "invalid_metadata_filter", id="two-values"),
        pytest.param("cursor=nonsense", "invalid_cursor", id="a-cursor-of-somebody-else"),
        pytest.param("limit=0", "invalid_request", id="no-jobs-at-all"),
        pytest.param("status=lost", "invalid_request", id="a-state-that-is-none"),
    ],
)
async def test_a_filter_that_means_nothing_is_refused(client: httpx.AsyncClient, query: str, code: str):
    assert error_of(await client.get(f"/api/v2/jobs?{query}")) == (422, code)


@pytest.mark.parametrize("query", ["metadata[a]=%00", "workflow=%00"])
async def test_a_filter_with_what_no_text_has_is_refused(client: httpx.AsyncClient, query: str):
    assert error_of(await client.get(f"/api/v2/jobs?{query}")) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        pytest.param({"workflow": {}}, "invalid_workflow", "no nodes", id="nothing-to-run"),
        pytest.param({"workflow": {"1": 5}}, "invalid_workflow", "node 1", id="a-node-that-is-none"),
        pytest.param({"workflow": {"1": {}}}, "invalid_workflow", "class_type", id="a-node-of-no-type"),
        pytest.param(
            {"workflow": {"1": {"class_type": "A", "inputs": 1}}},
            "invalid_workflow",
            "inputs",
            id="inputs-are-none",
        ),
        pytest.param(
            {"workflow": {"nodes": [], "links": []}}, "workflow_format_ui", "API", id="the-editors-format"
        ),
        pytest.param(
            {"workflow": PROMPT, "targets": ["7"]}, "invalid_workflow", "'7'", id="a-target-that-is-not-there"
        ),
        pytest.param(
            {"workflow": PROMPT, "metadata": {"a": 1}}, "metadata_invalid", "metadata", id="a-label-of-1"
        ),
        pytest.param(
            {"workflow": PROMPT, "metadata": {"": "a"}}, "metadata_invalid", "name", id="a-nameless-label"
        ),
        pytest.param(
            {"workflow": PROMPT, "metadata": {"a": "x" * 513}}, "metadata_invalid", "512", id="a-long-label"
        ),
        pytest.param(
            {"workflow": PROMPT, "metadata": {str(n): "" for n in range(51)}},
            "metadata_invalid",
            "50",
            id="51-labels",
        ),
        pytest.param({"workflow": PROMPT, "priority": 21}, "invalid_request", "priority", id="too-important"),
        pytest.param({"workflow": PROMPT, "inputs": {}}, "invalid_request", "inputs", id="reserved-in-v2"),
        pytest.param(
            {"workflow": PROMPT, "webhook_url": "ftp://x"}, "invalid_request", "webhook_url", id="webhook"
        ),
        pytest.param(
            {"workflow": PROMPT, "webhook_events": ["job.started"]},
            "invalid_request",
            "give a webhook_url, too",
            id="told-to-nobody",
        ),
        pytest.param(
            {"workflow": PROMPT, "webhook_url": "https://x.org", "webhook_events": ["job.ended"]},
            "invalid_request",
            "webhook_events",
            id="an-unknown-event",
        ),
        pytest.param(
            {"workflow": {"1": {"class_type": "A\0"}}}, "invalid_request", "NUL", id="what-no-text-has"
        ),
        pytest.param({}, "invalid_request", "workflow: Field required", id="no-workflow"),
        pytest.param(
            PROMPT, "invalid_request", 'a workflow by itself: wrap it as {"workflow": ...}', id="a-bare-graph"
        ),
        pytest.param(
            {"workflow": PROMPT["1"]}, "invalid_workflow", "node class_type", id="a-node-for-a-graph"
        ),
    ],
)
async def test_a_job_that_cannot_be_is_refused_with_a_sentence(
    client: httpx.AsyncClient, body: dict[str, Any], code: str, words: str
):
    answer = await client.post("/api/v2/jobs", json=body)

    assert error_of(answer) == (422, code)
    assert words in answer.json()["error"]["message"]
    assert (await client.get("/api/v2/jobs")).json()["jobs"] == []


async def test_more_nodes_than_are_allowed_are_refused(service_with: Any):
    async with service_with(max_nodes=2) as service, service.client() as client:
        prompt = {str(number): PROMPT["1"] for number in range(3)}

        answer = await client.post("/api/v2/jobs", json={"workflow": prompt})

    assert error_of(answer) == (422, "invalid_workflow")
    assert "3 nodes" in answer.json()["error"]["message"]


async def test_an_asset_that_is_not_there_is_refused(client: httpx.AsyncClient):
    missing = str(uuid4())

    answer = await client.post("/api/v2/jobs", json={"workflow": reading(missing)})

    assert error_of(answer) == (422, "missing_asset")
    assert answer.json()["error"]["details"] == {"asset_id": missing}


async def test_an_asset_of_another_key_is_refused_as_one_that_is_not_there(
    service: Service, client: httpx.AsyncClient
):
    async with service.client(name="another") as other:
        asset = (await other.post("/api/v2/assets", files={"file": ("a.png", PICTURE)})).json()["id"]

        answers = [
            await who.post("/api/v2/jobs", json={"workflow": reading(asset)}) for who in (client, other)
        ]

    assert error_of(answers[0]) == (422, "missing_asset")
    assert answers[1].status_code == 201


async def test_more_jobs_than_a_key_may_have_waiting_are_refused_for_a_while(service: Service):
    async with service.client(max_queued=1) as client:
        await submitted(client)

        answer = await client.post("/api/v2/jobs", json={"workflow": PROMPT})

    assert error_of(answer) == (429, "queue_full")
    assert int(answer.headers["retry-after"]) >= 1


class Policy:
    """A hook of the operator's."""

    def __init__(self, *, is_broken: bool) -> None:
        self._is_broken = is_broken

    def on_submit(self, job: dict[str, Any]) -> str:
        if self._is_broken:
            raise RuntimeError(job["id"])
        return "not on a Sunday"


@pytest.mark.parametrize(
    ("policy", "told", "words"),
    [
        pytest.param(Policy(is_broken=False), (403, "refused_by_policy"), "not on a Sunday", id="by-policy"),
        pytest.param(Policy(is_broken=True), (503, "policy_unavailable"), "try again", id="nobody-answers"),
    ],
)
async def test_the_operators_policy_may_refuse_a_job(
    service_with: Any, policy: Policy, told: tuple[int, str], words: str
):
    async with service_with(hooks=Hooks({"policy": policy})) as service, service.client() as client:
        answer = await client.post("/api/v2/jobs", json={"workflow": PROMPT})

    assert error_of(answer) == told
    assert words in answer.json()["error"]["message"]


async def test_rate_limits_say_when_to_come_back(service: Service):
    async with service.client(rate_per_minute=1) as client:
        await client.get("/api/v2/jobs")

        answer = await client.get("/api/v2/jobs")

    assert error_of(answer) == (429, "rate_limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 60


def reading(asset: str) -> dict[str, Any]:
    reference = {"__type": ASSET, "info": {"id": asset}}
    return {"1": {"class_type": "LoadImage", "inputs": {"image": reference}}}


async def ended_with(
    service: Service,
    client: httpx.AsyncClient,
    made: tuple[str, str] | None,
    warnings: list[str] | None = None,
) -> dict[str, Any]:
    """A job that succeeded with one output, or with one that is withheld."""
    job = await submitted(client)
    leases = Leases(service.core.store, "worker")
    claim = await claimed(service.core.store, leases)
    kind, content_type = made or ("image", "image/png")
    kept = await picture(service.core.assets, PICTURE, kind=kind, content_type=content_type)
    await leases.began(claim.lease)
    await leases.keep(claim.lease, kept if made else replace(kept, bytes=None))
    await leases.end(claim.lease, JobState.SUCCEEDED, "it ended well", warnings=warnings or [])
    shown: dict[str, Any] = (await client.get(job["urls"]["self"])).json()
    return shown
