import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks

from comfywire.service.jobs.records import JobRecord, OutputRecord, Retry
from comfywire.service.jobs.states import JobState
from comfywire.service.webhooks.messages import (
    SCHEDULE,
    InvalidWebhookUrl,
    must_be_webhook_url,
    payload_of,
    signed,
    wait_after,
)

JOB_ID, ASSET_ID = uuid.UUID(int=7), uuid.UUID(int=8)
BEGAN, ENDED = datetime(2026, 11, 25, 12, tzinfo=UTC), datetime(2026, 11, 25, 12, 1, tzinfo=UTC)
SECRET, OTHER = "whsec_" + "c2VjcmV0" * 4, "whsec_" + "b3RoZXIh" * 4


def job(**fields: Any) -> JobRecord:
    known: dict[str, Any] = dict.fromkeys(JobRecord.__slots__)
    known |= {
        "id": JOB_ID,
        "key_id": uuid.UUID(int=1),
        "state": JobState.SUCCEEDED,
        "labels": {"order": "17"},
        "warnings": [],
        "retry": Retry(),
        "created_at": BEGAN,
        "started_at": BEGAN,
        "completed_at": ENDED,
        "expires_at": ENDED,
    }
    return JobRecord(**(known | fields))


def output(**fields: Any) -> OutputRecord:
    known: dict[str, Any] = {
        "job_id": JOB_ID,
        "position": 0,
        "event_id": 1,
        "node_id": "9",
        "class_type": "SaveImage",
        "key": "images",
        "kind": "image",
        "name": "a.png",
        "asset_id": ASSET_ID,
        "value": None,
        "content_type": "image/png",
        "size_bytes": 100,
    }
    return OutputRecord(**(known | fields))


def test_a_payload_says_how_a_job_ended_and_what_is_kept() -> None:
    assert payload_of("job.succeeded", job(), [output()], at=ENDED, base_url="https://api.example.org/") == {
        "type": "job.succeeded",
        "timestamp": "2026-11-25T12:01:00+00:00",
        "data": {
            "id": str(JOB_ID),
            "status": "succeeded",
            "metadata": {"order": "17"},
            "created_at": "2026-11-25T12:00:00+00:00",
            "started_at": "2026-11-25T12:00:00+00:00",
            "completed_at": "2026-11-25T12:01:00+00:00",
            "error": None,
            "outputs": [
                {
                    "node_id": "9",
                    "kind": "image",
                    "name": "a.png",
                    "asset_id": str(ASSET_ID),
                    "url": f"https://api.example.org/api/v2/assets/{ASSET_ID}/content",
                    "content_type": "image/png",
                    "size_bytes": 100,
                }
            ],
            "url": f"https://api.example.org/api/v2/jobs/{JOB_ID}",
        },
    }


def test_links_are_paths_while_nobody_says_how_the_service_is_reached() -> None:
    assert payload_of("job.succeeded", job(), [], at=ENDED)["data"]["url"] == f"/api/v2/jobs/{JOB_ID}"


def test_a_withheld_output_is_named_without_its_bytes() -> None:
    (told,) = payload_of("job.succeeded", job(), [output(asset_id=None)], at=ENDED)["data"]["outputs"]

    assert (told["name"], told["asset_id"], told["url"]) == ("a.png", None, None)


def test_a_failure_is_told_without_the_traceback() -> None:
    error = {"code": "node_error", "message": "out of memory", "node_id": "3", "traceback": "File …"}

    told = payload_of("job.failed", job(error=error), [], at=ENDED)["data"]["error"]

    assert told == {"code": "node_error", "message": "out of memory", "node_id": "3", "class_type": None}


def test_the_end_that_is_told_is_that_of_the_delivery() -> None:
    """Somebody may have retried the job before the first try."""
    told = payload_of("job.failed", job(state=JobState.QUEUED, completed_at=None), [], at=ENDED)

    assert told["data"]["status"] == "failed"


@pytest.mark.parametrize("secrets", [[SECRET], [OTHER, SECRET], [SECRET, OTHER]])
def test_each_secret_that_signs_verifies(secrets: list[str]) -> None:
    payload = {"type": "job.succeeded", "data": {"metadata": {"name": "Übung ✓"}}}

    body, headers = signed(JOB_ID, payload, secrets=secrets, at=datetime.now(UTC))

    assert standardwebhooks.Webhook(SECRET).verify(body, headers) == payload
    assert headers["webhook-id"] == f"msg_{JOB_ID.hex}"


def test_no_other_secret_verifies() -> None:
    body, headers = signed(JOB_ID, {}, secrets=[SECRET], at=datetime.now(UTC))

    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(OTHER).verify(body, headers)


def test_a_body_is_json_without_escapes_that_grow_it() -> None:
    body, _ = signed(JOB_ID, {"name": "Ü"}, secrets=[SECRET], at=BEGAN)

    assert body == '{"name":"Ü"}'.encode()
    assert json.loads(body) == {"name": "Ü"}


@pytest.mark.parametrize(
    ("tries", "jitter", "wait"),
    [
        (1, 0.5, 5),
        (2, 0.5, 30),
        (3, 0.5, 120),
        (4, 0.5, 600),
        (5, 0.5, 1800),
        (6, 0.5, 3600),
        (7, 0.5, 7200),
        (8, 0.5, 14400),
        (9, 0.5, 28800),
        (10, 0.5, 28800),
        (11, 0.5, 28800),
        (12, 0.5, None),
        (100, 0.5, None),
        (1, 0.0, 4.5),
        (1, 1.0, 5.5),
        (11, 0.0, 25920),
    ],
)
def test_failed_tries_are_repeated_on_a_schedule(tries: int, jitter: float, wait: float | None) -> None:
    assert wait_after(tries, jitter) == (None if wait is None else pytest.approx(wait))


def test_a_receiver_may_be_away_for_a_day() -> None:
    assert sum(SCHEDULE) * 0.9 > 24 * 3600


@pytest.mark.parametrize(
    "url",
    ["https://example.org/hook?token=1", "http://10.0.0.1:8080", "https://[2606::1]/x", "HTTPS://Ä.org/"],
)
def test_an_http_url_may_receive_webhooks(url: str) -> None:
    must_be_webhook_url(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://example.org", "is not an HTTP URL"),
        ("file:///etc/passwd", "is not an HTTP URL"),
        ("https:///path", "is not an HTTP URL"),
        ("example.org/hook", "is not an HTTP URL"),
        ("", "is not an HTTP URL"),
        ("https://example.org:0/", "is not an HTTP URL"),
        ("https://example.org:99999/", "is no URL"),
        ("https://[::1", "is no URL"),
        ("https://user:password@example.org/", "holds a user name"),
        ("https://example.org/a b", "holds spaces"),
        ("https://example.org/" + "x" * 2048, "is longer than"),
    ],
)
def test_what_webhooks_cannot_go_to_is_said(url: str, problem: str) -> None:
    with pytest.raises(InvalidWebhookUrl, match=problem):
        must_be_webhook_url(url)
