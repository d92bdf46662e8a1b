"""Requests made up from the service's own OpenAPI document, by the hundred: whatever comes, no 500."""

import asyncio
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from schemathesis.core.result import Ok

from .conftest import Service, submitted

EXAMPLES = 8
QUIET = hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[hypothesis.Phase.generate],
)


@pytest.mark.hostile
async def test_no_request_that_the_document_allows_ends_in_a_500(service: Service):
    async with service.client("admin") as client:
        document = (await client.get("/api/v2/openapi.json")).json()
        await submitted(client)

        answers = await asyncio.to_thread(statuses, document, service.url, dict(client.headers))

    assert {answer for answer, status in answers.items() if status >= 500} == set()
    assert len(answers) >= len(document["paths"])


def statuses(document: dict[str, Any], url: str, headers: dict[str, str]) -> dict[str, int]:
    """Ask everything; the worst status by method, path and body."""
    found: dict[str, int] = {}
    wanted = {"authorization": headers["authorization"]}
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()

        @QUIET
        @hypothesis.given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            answer = case.call(base_url=url, headers=wanted, timeout=60)
            name = f"{case.method} {case.path}"
            what = (
                f"{name} {case.path_parameters} {case.query} {case.body!r:.300}"
                if answer.status_code >= 500
                else name
            )
            found[what] = max(found.get(what, 0), answer.status_code)

        ask()
    return found
