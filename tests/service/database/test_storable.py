"""JSON on its way into PostgreSQL and back."""

import json
import subprocess
import sys
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from comfywire.service.database.pool import Database
from comfywire.service.database.storable import as_json, is_same

VALUES = [
    *(1, 1.0, 1e15, 1e16, -1.5e22, 1.7976931348623157e308, 1e-7, 5e-324, 2**64, True, None),
    *("1e+16", 'a "quoted" 1e+20', "\\", '\\"1e+30', {"1e+16": [1e20, ["1e+20", {}]]}),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_is_written_is_read_as_the_same(value: Any):
    assert repr(json.loads(as_json(value))) == repr(value)


IN_LITTLE_MEMORY = """
import json, resource, sys
from comfywire.service.database.storable import as_json
text = json.loads(sys.stdin.read()) * 1_000_000
resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
assert json.loads(as_json([text, 1e16])) == [text, 1e16]
"""


@pytest.mark.parametrize("piece", ["aaaaae+1", '\n"\n"e+1', "\\\\\\e+1"], ids=ascii)
def test_a_picture_among_the_values_takes_little_memory(piece: str):
    """It stands there in base64, with an ``e+`` now and then."""
    run = [sys.executable, "-c", IN_LITTLE_MEMORY]

    done = subprocess.run(
        run, input=json.dumps(piece), capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


async def test_postgresql_gives_back_what_it_was_given(database: Database):
    found = await database.one("SELECT %(value)s AS value", value=Jsonb(VALUES))

    assert found is not None
    assert repr(found["value"]) == repr(VALUES)


async def test_a_negative_zero_comes_back_without_its_sign(database: Database):
    """No ``numeric`` has one."""
    found = await database.one("SELECT %(value)s AS value", value=Jsonb(-0.0))

    assert found is not None
    assert repr(found["value"]) == "0.0"


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [
        (1, 1.0, False),
        (1, True, False),
        (0.0, False, False),
        (0.0, -0.0, True),
        ("1", 1, False),
        ([1, [2]], [1, [2]], True),
        ([1, [2]], [1, [2.0]], False),
        ([1], [1, 2], False),
        ({"a": {"b": None}}, {"a": {"b": None}}, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ({"a": 1}, {"a": True}, False),
        ({}, [], False),
    ],
)
def test_the_same_json_has_the_same_types(one: Any, other: Any, is_one: bool):
    assert is_same(one, other) is is_one
    assert is_same(other, one) is is_one
