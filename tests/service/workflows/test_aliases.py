import asyncio

import pytest
from tests.service.workflows.test_registered import LOAD

from comfywire.errors import InvalidParameter
from comfywire.service.workflows.aliases import AliasTaken
from comfywire.service.workflows.registered import UnknownWorkflow, Workflows


@pytest.fixture
def workflows(database):
    return Workflows(database)


@pytest.fixture
def add(workflows, key_id):
    async def add(name, aliases=None, description=""):
        return await workflows.add(name, LOAD, key_id=key_id, aliases=aliases, description=description)

    return add


async def test_a_workflow_is_called_by_name_or_alias(workflows, add):
    added = await add("draw", ["gpt-image-1"])

    assert added.aliases == ("gpt-image-1",)
    assert await workflows.called("gpt-image-1") == await workflows.called("draw") == added


async def test_aliases_stay_until_others_are_given(add):
    await add("draw", ["a", "b"])

    assert (await add("draw", description="newer")).aliases == ("a", "b")
    assert (await add("draw", ["c"])).aliases == ("c",)
    assert (await add("draw", [])).aliases == ()


@pytest.mark.parametrize(
    ("name", "aliases"),
    [
        pytest.param("other", ["dall-e-3"], id="an-alias-of-another"),
        pytest.param("other", ["draw"], id="the-name-of-another"),
        pytest.param("dall-e-3", None, id="a-name-that-is-an-alias"),
    ],
)
async def test_what_is_called_so_already_keeps_its_name(workflows, add, name, aliases):
    await add("draw", ["dall-e-3"])

    with pytest.raises(AliasTaken, match="means the workflow 'draw' already"):
        await add(name, aliases)

    with pytest.raises(UnknownWorkflow):
        await workflows.get(name)


async def test_two_who_want_one_alias_at_once_do_not_both_get_it(add):
    results = await asyncio.gather(
        *(add(f"draw{at}", ["x", "y"] if at % 2 else ["y", "x"]) for at in range(4)), return_exceptions=True
    )

    assert [type(result).__name__ for result in results].count("WorkflowRecord") == 1


async def test_a_retired_workflow_gives_its_aliases_back(workflows, add):
    await add("draw", ["x"])
    await add("draw", description="newer")

    await workflows.retire("draw", 2)
    assert (await workflows.called("x")).version == 1
    await workflows.retire("draw")

    assert (await add("other", ["x"])).name == "other"


@pytest.mark.parametrize("alias", ["", "a b", "ä", "-x", "x" * 101])
async def test_what_is_no_alias_is_refused(add, alias):
    with pytest.raises(InvalidParameter, match="is no alias"):
        await add("draw", [alias])
