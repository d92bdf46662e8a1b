"""A workflow's parameters as every version of the service reads them, and what newer versions keep beside."""

import json
from typing import Any

import pytest
from psycopg.types.json import Jsonb
from tests.service.conftest import new_key

from comfywire.service.database.pool import Database
from comfywire.service.migrate import migrate
from comfywire.service.workflows.annotations import apart, together
from comfywire.service.workflows.registered import Workflows
from comfywire.workflow import Parameter, Parameters
from comfywire.workflow.parameters.toml import parse_tables, to_tables

STEP = "0174_workflow_annotations.sql"
GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 7}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}
FIRST = {"type", "inputs", "default", "min", "max", "step", "choices", "multiline", "required", "help"}
"""The keys of a parameter that the first version of the service reads; it refuses every other."""


def everything(**more: Any) -> Parameters:
    """Parameters that say whatever can be said, in an order that jsonb does not keep."""
    return Parameters(
        {
            "width": Parameter(
                "width",
                ("1.width",),
                "int",
                8,
                1,
                64,
                1,
                help="Wide.",
                label="Width",
                group="Size",
                role="width",
            ),
            "a": Parameter("a", ("1.color",), "choice", 7, choices=(7, 8), is_required=True, group="Look"),
            "text": Parameter("text", ("2.filename_prefix",), "text", is_multiline=True, role="prompt"),
        },
        {"picture": ("2",), "all": ("2",)},
        **more,
    )


@pytest.mark.parametrize(
    "parameters",
    [
        everything(),
        everything(aliases=("gpt-image-1",), description="A plain picture."),
        Parameters({"a": Parameter("a", ("1.color",), label="Colour")}),
        Parameters({"a": Parameter("a", ("1.color",))}, {"picture": ("2",)}),
        Parameters(),
    ],
    ids=["everything", "with_words", "a_label", "plain", "nothing"],
)
def test_what_is_taken_apart_is_put_together_again_in_order(parameters):
    plain, annotations = (
        json.loads(json.dumps(part, sort_keys=True)) for part in apart(to_tables(parameters))
    )

    again = parse_tables(together(plain, annotations))

    assert again == parameters
    assert [*again.by_name] == [*parameters.by_name]
    assert [*again.outputs] == [*parameters.outputs]
    assert set(plain) == {"parameters", "outputs"}
    assert set().union(*plain["parameters"].values()) <= FIRST


def test_what_an_older_version_registered_is_read_as_it_is():
    plain = {"parameters": {"a": {"type": "text", "inputs": ["1.color"]}}, "outputs": {}}

    assert together(plain, {}) == plain


async def test_the_column_that_older_versions_read_has_only_keys_that_they_know(database, key_id):
    await Workflows(database).add("full", GRAPH, everything(), key_id=key_id)

    stored = await database.one("SELECT parameters FROM workflows")

    assert set(stored["parameters"]) == {"parameters", "outputs"}
    assert set().union(*stored["parameters"]["parameters"].values()) == FIRST


@pytest.mark.parametrize(
    "change", [{"label": "Another"}, {"group": "Another"}, {"role": ""}], ids=["label", "group", "role"]
)
async def test_what_older_versions_cannot_read_makes_a_new_version_if_it_changes(database, key_id, change):
    workflows = Workflows(database)
    await workflows.add("full", GRAPH, everything(), key_id=key_id)
    tables = to_tables(everything())
    tables["parameters"]["width"] |= change

    versions = [
        (await workflows.add("full", GRAPH, parse_tables(given), key_id=key_id)).version
        for given in (to_tables(everything()), tables)
    ]

    assert versions == [1, 2]
    assert [found.parameters for found in await workflows.versions("full")] == [
        parse_tables(tables),
        everything(),
    ]


async def test_what_was_kept_in_the_column_before_is_taken_out_of_it(empty_database_url):
    tables = to_tables(everything())
    await migrate(empty_database_url)
    async with Database(empty_database_url) as database:
        workflows, key_id = Workflows(database), await new_key(database, "one")
        kept = {
            "ordered": {**tables, "order": {key: [*table] for key, table in tables.items()}},
            "labelled": to_tables(Parameters({"a": Parameter("a", ("1.color",), label="Colour")})),
            "plain": to_tables(Parameters({"a": Parameter("a", ("1.color",))})),
            "empty": {},
        }
        for name, parameters in kept.items():
            await workflows.add(name, GRAPH, Parameters(), key_id=key_id)
            await database.do(
                "UPDATE workflows SET parameters = %(parameters)s WHERE name = %(name)s",
                name=name,
                parameters=Jsonb(parameters),
            )
        await database.do("DROP TABLE workflow_annotations")
        await database.do("DELETE FROM versions WHERE name = %(name)s", name=STEP)

        taken = await migrate(empty_database_url)

        found = {record.name: record.parameters for record in await workflows.list()}
        columns = [row["parameters"] for row in await database.all("SELECT parameters FROM workflows")]
    assert taken == [STEP]
    assert found == {
        "ordered": everything(),
        "labelled": Parameters({"a": Parameter("a", ("1.color",), label="Colour")}),
        "plain": Parameters({"a": Parameter("a", ("1.color",))}),
        "empty": Parameters(),
    }
    assert [*found["ordered"].by_name] == ["width", "a", "text"]
    for column in columns:
        assert set(column) <= {"parameters", "outputs"}
        assert set().union(*column.get("parameters", {}).values()) <= FIRST
