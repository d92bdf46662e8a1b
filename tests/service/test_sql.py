"""The queries, as texts."""

import pytest

from comfywire.service.sql import queries

LONGEST_REMEMBERED = 4096
"""Characters of a text that psycopg remembers parsed (_queries.py, 3.3); a longer one is parsed each time."""
OF_EACH_JOB = {
    "jobs": (
        "submit",
        "add_native",
        "claim",
        "will_submit",
        "change",
        "progress",
        "preview",
        "insert_output",
    ),
    "queue": ("take", "take_submitted", "heads", "finish", "give_back", "withdraw"),
}


@pytest.mark.parametrize(
    ("file", "name"), [(file, name) for file, names in OF_EACH_JOB.items() for name in names]
)
def test_what_every_job_costs_is_parsed_once(file: str, name: str) -> None:
    assert len(queries(file)[name]) <= LONGEST_REMEMBERED
