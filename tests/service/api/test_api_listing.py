"""Lists of jobs by words, kind and day, and labels that are put on and taken off afterwards."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from psycopg.types.json import Jsonb

from comfywire.service.api.jobs import LONGEST_LISTED_INPUTS
from comfywire.service.jobs import listing

from .conftest import PROMPT, Service, error_of, id_of, submitted


async def found(client: httpx.AsyncClient, **query: Any) -> list[str]:
    answer = await client.get("/api/v2/jobs", params=query)
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["jobs"]]


@pytest.mark.parametrize(
    ("words", "is_found"),
    [
        pytest.param("red barn", True, id="words"),
        pytest.param("RED", True, id="upper-case"),
        pytest.param("käse", True, id="not-ascii"),
        pytest.param('"quoted"', True, id="quotes"),
        pytest.param("acme", True, id="a-label's-value"),
        pytest.param("prompt", False, id="an-input's-name"),
        pytest.param("100%", False, id="no-pattern"),
        pytest.param("blue", False, id="other-words"),
    ],
)
async def test_jobs_are_found_by_the_words_in_their_inputs_and_labels(
    service: Service, client: httpx.AsyncClient, words: str, is_found: bool
):
    job = await submitted(client, metadata={"customer": "Acme"})
    bound = Jsonb({"prompt": 'a Red Barn, KÄSE, "quoted"', "seed": 42})
    await service.core.database.do(
        "UPDATE jobs SET bound = %(bound)s WHERE id = %(id)s", bound=bound, id=id_of(job)
    )
    await submitted(client)

    assert await found(client, words=words) == ([job["id"]] if is_found else [])


@pytest.mark.parametrize(
    ("stored", "content_type", "kinds"),
    [
        ("image", "image/png", {"image"}),
        ("animation", "image/webp", {"image"}),
        ("animation", "video/mp4", {"video"}),
        ("video", "video/mp4", {"video"}),
        ("audio", "audio/flac", {"audio"}),
        ("text", "text/plain", {"text"}),
        ("value", "text/plain", {"text"}),
        ("3d", "model/gltf-binary", {"3d"}),
        ("latent", "application/octet-stream", {"file"}),
        ("file", "image/svg+xml", {"file"}),
    ],
)
async def test_jobs_are_found_by_the_kind_of_what_they_made(
    service: Service, client: httpx.AsyncClient, stored: str, content_type: str | None, kinds: set[str]
):
    job = await submitted(client)
    asset = (await client.post("/api/v2/assets", files={"file": ("x", b"bytes", content_type)})).json()
    own = await service.core.database.one("SELECT id FROM assets WHERE id = %(id)s", id=asset["id"])
    assert own is not None
    await service.core.database.do(
        "UPDATE assets SET content_type = %(type)s WHERE id = %(id)s", type=content_type, id=own["id"]
    )
    await service.core.database.do(
        """INSERT INTO outputs (job_id, position, node_id, class_type, key, kind, asset_id)
           VALUES (%(job)s, 0, '1', 'X', 'images', %(kind)s, %(asset)s)""",
        job=id_of(job), kind=stored, asset=own["id"],
    )  # fmt: skip

    all_kinds = ("image", "video", "audio", "text", "3d", "file")
    assert {kind for kind in all_kinds if await found(client, kind=kind)} == kinds


@pytest.mark.parametrize(
    ("inputs", "is_left_out"),
    [
        ({"text": "x" * (LONGEST_LISTED_INPUTS - len('{"text": ""}'))}, False),
        ({"text": "x" * (LONGEST_LISTED_INPUTS - len('{"text": ""}') + 1)}, True),
        ({"text": "x" * (10 << 20)}, True),
        ({"text": secrets.token_hex(100_000)}, True),
        ({f"{number}.seed": number for number in range(5_000)}, True),
        ({"seed": 7}, False),
        (None, False),
    ],
    ids=["at_most", "a_byte_more", "megabytes", "not_to_be_packed", "many", "usual", "none"],
)
async def test_a_list_with_details_leaves_long_inputs_out_and_says_so(
    service: Service, client: httpx.AsyncClient, inputs: dict[str, Any] | None, is_left_out: bool
):
    job, usual = [await submitted(client) for _ in range(2)]
    for one, bound in ((job, inputs), (usual, {"seed": 1})):
        await service.core.database.do(
            "UPDATE jobs SET bound = %(bound)s WHERE id = %(id)s",
            bound=None if bound is None else Jsonb(bound),
            id=id_of(one),
        )

    answer = await client.get("/api/v2/jobs?details=true")

    listed = [one["job"] for one in answer.json()["jobs"]]
    assert [(one["inputs"], one["inputs_left_out"]) for one in listed] == [
        ({"seed": 1}, False),
        (None if is_left_out else inputs, is_left_out),
    ]
    assert len(answer.content) < 2 * LONGEST_LISTED_INPUTS
    whole = (await client.get(job["urls"]["self"])).json()
    assert (whole["inputs"], whole["inputs_left_out"]) == (inputs, False)


SMALL = 100_000
"""Bytes of a page, in the tests of pages that end early."""


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LARGEST", SMALL)


async def pages(client: httpx.AsyncClient, path: str, **query: Any) -> list[httpx.Response]:
    """All pages of a list, the first one first."""
    found: list[httpx.Response] = []
    cursor = None
    while cursor is not None or not found:
        found.append(await client.get(path, params=query | ({"cursor": cursor} if cursor else {})))
        cursor = found[-1].json()["next_cursor"]
    return found


def ids_in(page: httpx.Response) -> list[str]:
    return [job["id"] for job in page.json()["jobs"]]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(
    ("count", "value", "each"),
    [
        pytest.param(6, "x" * 5_000, 2, id="texts-that-pack-well"),
        pytest.param(6, secrets.token_hex(2_500), 2, id="texts-that-do-not"),
        pytest.param(60, None, 2, id="outputs"),
        pytest.param(40, "x" * 5_000, 1, id="more-than-a-page-each"),
        pytest.param(1, "x", 5, id="few"),
    ],
)
async def test_a_page_ends_where_its_outputs_have_no_room(
    service: Service,
    client: httpx.AsyncClient,
    count: int,
    value: str | None,
    each: int,
):
    jobs = [await submitted(client) for _ in range(5)]
    asset = (await client.post("/api/v2/assets", files={"file": ("x", b"bytes", "text/plain")})).json()
    await service.core.database.do(
        """INSERT INTO outputs (job_id, position, node_id, class_type, key, kind, asset_id, value)
           SELECT job, place, '1', 'X', 'text', 'text', %(asset)s, %(value)s
             FROM unnest(%(jobs)s::uuid[]) AS job, generate_series(1, %(count)s) AS place""",
        jobs=[id_of(job) for job in jobs], count=count, asset=asset["id"], value=Jsonb(value),
    )  # fmt: skip

    found = await pages(client, "/api/v2/jobs", details=True)

    assert [len(ids_in(page)) for page in found] == ([each] * (5 // each) + [5 % each])[: -(-5 // each)]
    assert [one for page in found for one in ids_in(page)] == [job["id"] for job in reversed(jobs)]
    assert each == 1 or all(len(page.content) < 1.1 * SMALL for page in found)
    whole = found[0].json()["jobs"][0]["job"]["outputs"]
    assert [output["value"] for output in whole] == [value] * count


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("details", [True, False])
async def test_a_page_ends_where_its_errors_and_labels_have_no_room(
    service: Service, client: httpx.AsyncClient, *, details: bool
):
    asked = {"workflow": PROMPT, "inputs": [{}] * 5}
    batch = (await client.post("/api/v2/batches", json=asked)).json()
    error = Jsonb({"code": "x", "message": "\N{SNOWMAN}" * 6_000})
    await service.core.database.do("UPDATE jobs SET error = %(error)s", error=error)

    listed = await pages(client, "/api/v2/jobs", details=details)
    of_batch = await pages(client, f"/api/v2/batches/{batch['id']}")

    for found, ids in ((listed, batch["job_ids"][::-1]), (of_batch, batch["job_ids"])):
        assert [len(ids_in(page)) for page in found] == [2, 2, 1]
        assert sorted(one for page in found for one in ids_in(page)) == sorted(ids)
        assert all(len(page.content) < 1.1 * SMALL for page in found)


async def test_jobs_are_found_by_their_day(service: Service, client: httpx.AsyncClient):
    old, new = [await submitted(client) for _ in range(2)]
    day = datetime.now(UTC) - timedelta(days=3)
    await service.core.database.do(
        "UPDATE jobs SET created_at = %(day)s WHERE id = %(id)s", day=day, id=id_of(old)
    )
    line = (day + timedelta(days=1)).isoformat()

    assert await found(client, since=line) == [new["id"]]
    assert await found(client, until=line) == [old["id"]]
    assert await found(client, since=line, until=line) == []


async def test_labels_are_put_on_and_taken_off(client: httpx.AsyncClient):
    job = await submitted(client, metadata={"keep": "1", "drop": "2"})

    answer = await client.patch(job["urls"]["self"], json={"metadata": {"drop": None, "pick": "best"}})

    assert answer.json()["metadata"] == {"keep": "1", "pick": "best"}
    assert await found(client, **{"metadata[pick]": "best"}) == [job["id"]]
    assert await found(client, **{"metadata[drop]": "2"}) == []


@pytest.mark.parametrize(
    "changes", [{f"label {number}": "x" for number in range(51)}, {"": "x"}, {"a": "x" * 10_000}]
)
async def test_labels_that_no_job_may_have_are_refused(client: httpx.AsyncClient, changes: dict[str, str]):
    job = await submitted(client)

    assert (await client.patch(job["urls"]["self"], json={"metadata": changes})).status_code == 422
    assert (await client.get(job["urls"]["self"])).json()["metadata"] == {}


async def test_a_key_for_reading_changes_no_label(service: Service, client: httpx.AsyncClient):
    job = await submitted(client)
    async with service.client("read", name="reader") as reader:
        answer = await reader.patch(job["urls"]["self"], json={"metadata": {}})

    assert error_of(answer) == (403, "forbidden")
