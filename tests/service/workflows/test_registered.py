import asyncio
import json
import uuid

import pytest
from tests.server.wire import text_to_image

from comfywire.errors import InvalidParameter, UnknownNode, UnreadableWorkflow
from comfywire.service.workflows.registered import UnknownWorkflow, Workflows, class_types_of
from comfywire.workflow import Parameter, Parameters

LOAD = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "mine.png"}},
    "2": {
        "class_type": "ImageScaleBy",
        "inputs": {"image": ["1", 0], "upscale_method": "area", "scale_by": 2.0},
    },
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "up"}},
    "4": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}, "_meta": {"title": "Before"}},
}
PARAMETERS = Parameters(
    {
        "image": Parameter("image", ("1.image",), "image", is_required=True),
        "scale": Parameter("scale", ("2.scale_by",), "float", minimum=1.0, maximum=4.0),
    },
    {"large": ("3",)},
)
ASSET = {"__type": "core/ASSET", "info": {"id": str(uuid.uuid4())}}


@pytest.fixture
def workflows(database):
    return Workflows(database)


@pytest.fixture
def add(workflows, key_id):
    async def add(name="upscale", source=LOAD, parameters=PARAMETERS, **options):
        return await workflows.add(name, source, parameters, key_id=key_id, **options)

    return add


async def test_what_is_registered_can_be_read_again(workflows, add):
    added = await add(description="Larger.", options={"priority": 3})

    found = await workflows.get("upscale")

    assert found == added
    assert (found.version, found.prompt, found.parameters, found.options) == (
        1,
        LOAD,
        PARAMETERS,
        {"priority": 3},
    )


async def test_registering_the_same_again_is_no_new_version(workflows, add):
    await add()

    again = await add()

    assert (again.version, len(await workflows.versions("upscale"))) == (1, 1)


async def test_a_change_is_a_new_version_and_the_old_one_stays(workflows, add):
    await add()

    newer = await add(description="Larger.")

    assert newer.version == 2
    assert [(await workflows.get("upscale", version)).description for version in (1, 2)] == ["", "Larger."]


@pytest.mark.parametrize("scale_by", [2, 2.5, True])
async def test_another_number_of_the_same_value_is_a_change(workflows, add, scale_by):
    """A node that takes anything may be told 2 from 2.0, and Python says that they are equal."""

    def graph(value: object) -> dict:
        inputs = {"image": ["1", 0], "upscale_method": "area", "scale_by": value}
        return {**LOAD, "2": {"class_type": "ImageScaleBy", "inputs": inputs}}

    await add(source=graph(1.0 if scale_by is True else 2.0))

    changed = await add(source=graph(scale_by))

    assert changed.version == 2
    assert repr((await workflows.get("upscale")).prompt["2"]["inputs"]["scale_by"]) == repr(scale_by)


async def test_versions_that_are_registered_at_once_get_numbers_of_their_own(add):
    added = await asyncio.gather(*(add(description=str(number)) for number in range(4)))

    assert sorted(one.version for one in added) == [1, 2, 3, 4]


async def test_the_list_has_the_newest_of_each(workflows, add):
    await add()
    await add(description="newer")
    await add("paint", text_to_image(), None)

    assert [(one.name, one.version) for one in await workflows.list()] == [("paint", 1), ("upscale", 2)]


async def test_a_retired_workflow_cannot_be_run(workflows, add):
    await add()

    assert await workflows.retire("upscale") == 1
    with pytest.raises(UnknownWorkflow, match="no workflow 'upscale' is registered"):
        await workflows.get("upscale")


async def test_retiring_one_version_leaves_the_others(workflows, add):
    await add()
    await add(description="newer")

    await workflows.retire("upscale", 2)

    assert (await workflows.get("upscale")).version == 1


async def test_the_number_of_a_retired_version_is_not_given_again(workflows, add):
    await add()
    await workflows.retire("upscale")

    assert (await add()).version == 2


async def test_what_never_was_cannot_be_retired(workflows):
    with pytest.raises(UnknownWorkflow, match="no workflow 'x' of version 3 is registered"):
        await workflows.retire("x", 3)


@pytest.mark.parametrize("name", ["", "-x", "a/b", "a b", "x" * 65, "ä"])
async def test_a_name_that_no_url_would_carry_is_refused(add, name):
    with pytest.raises(InvalidParameter, match="is no name for a workflow"):
        await add(name)


async def test_a_workflow_that_would_run_nothing_is_refused(add):
    with pytest.raises(UnreadableWorkflow, match="nothing would run"):
        await add(source={"1": LOAD["1"]}, parameters=None)


async def test_a_parameter_of_a_node_that_is_not_there_is_refused(add):
    with pytest.raises(UnknownNode, match="'9'"):
        await add(parameters={"parameters": {"x": {"inputs": ["9.y"]}}})


async def test_an_output_that_is_not_there_is_refused(add):
    with pytest.raises(InvalidParameter, match="no output 'huge'"):
        await add(options={"outputs": ["huge"]})


async def test_parameters_are_drafted_where_none_are_given(add):
    added = await add(parameters=None)

    assert {parameter.name: parameter.type for parameter in added.parameters} == {
        "image": "image",
        "scale": "float",
    }


async def test_a_file_of_drafted_parameters_is_required(add):
    added = await add(parameters=None)

    assert (added.parameters["image"].is_required, added.parameters["image"].default) == (True, None)


@pytest.mark.parametrize(
    ("default", "is_required"), [({}, True), ({"default": "logo.png"}, False)], ids=["no-default", "default"]
)
async def test_a_file_without_a_default_is_required(add, default, is_required):
    added = await add(
        parameters={"parameters": {"image": {"type": "image", "inputs": ["1.image"], **default}}}
    )

    assert added.parameters["image"].is_required is is_required


async def test_inputs_are_put_where_they_belong(workflows, add):
    await add()

    bound = await workflows.bind("upscale", {"image": ASSET, "scale": "3"})

    assert bound.prompt["1"]["inputs"]["image"] == ASSET
    assert bound.prompt["2"]["inputs"]["scale_by"] == 3.0
    assert bound.targets is None


async def test_binding_leaves_what_is_registered_as_it_is(workflows, add):
    record = await add()

    record.bind({"image": ASSET, "scale": 3})

    assert record.prompt == LOAD


async def test_random_seeds_are_drawn_anew_each_time(workflows, add):
    await add(
        "paint", text_to_image(), {"parameters": {"seed": {"type": "seed", "inputs": ["KSampler.seed"]}}}
    )

    seeds = {(await workflows.bind("paint", {"seed": "random"})).values["seed"] for _ in range(3)}

    assert len(seeds) == 3


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        pytest.param({"scale": 2}, "parameter 'image' is required", id="required"),
        pytest.param({"image": ASSET, "scale": 9}, "4.0 is the largest allowed", id="too-large"),
        pytest.param({"image": ASSET, "scal": 2}, "did you mean 'scale'", id="misspelt"),
        pytest.param(
            {"image": ASSET, "2.upscale_method": "area"}, "no parameter '2.upscale_", id="undeclared"
        ),
    ],
)
async def test_an_input_that_does_not_fit_is_refused(workflows, add, inputs, words):
    await add()

    with pytest.raises(InvalidParameter, match=words):
        await workflows.bind("upscale", inputs)


async def test_outputs_are_run_as_registered(workflows, add):
    await add(options={"outputs": ["large"]})

    assert (await workflows.bind("upscale", {"image": ASSET})).targets == ["3"]


async def test_a_caller_may_choose_other_outputs(add):
    record = await add(options={"outputs": ["large"]})

    assert record.bind({"image": ASSET}, ["Before"]).targets == ["4"]


async def test_parameters_and_outputs_keep_their_order(workflows, add):
    names = ["steps", "cfg", "a_long_name", "b"]
    parameters = {name: Parameter(name, ("2.scale_by",), "float") for name in names}
    outputs = {"large": ("3",), "an_earlier_look": ("4",), "both": ("3", "4")}

    added = await add(parameters=Parameters(parameters, outputs))
    found = await workflows.get("upscale")

    assert [[*record.parameters.by_name] for record in (added, found)] == [names, names]
    assert [*found.parameters.outputs] == [*outputs]


async def test_another_order_is_a_new_version(add):
    two = {name: Parameter(name, (f"2.{name}",)) for name in ("scale_by", "upscale_method")}

    first = await add(parameters=Parameters(two))
    second = await add(parameters=Parameters(dict(reversed(two.items()))))

    assert (first.version, second.version) == (1, 2)


async def test_a_document_beside_the_prompt_says_what_its_author_chose(add):
    extra = {"linearData": {"inputs": [["2", "scale_by"]], "outputs": ["4"]}}
    document = {"nodes": [], "links": [], "version": 0.4, "extra": extra}

    added = await add(parameters=None, document=document)

    assert [parameter.inputs for parameter in added.parameters] == [("2.scale_by",)]
    assert added.parameters.outputs == {"before": ("4",)}


async def test_the_editors_document_is_kept(add):
    document = {"nodes": [], "links": [], "version": 0.4}

    added = await add(document=document)

    assert json.loads(json.dumps(added.document)) == document


@pytest.mark.parametrize(
    ("source", "names"),
    [
        pytest.param(LOAD, {"LoadImage", "ImageScaleBy", "SaveImage", "PreviewImage"}, id="api"),
        pytest.param({"nodes": [{"type": "A"}, {"type": 5}, 7]}, {"A"}, id="editor"),
        pytest.param(
            {"nodes": [], "definitions": {"subgraphs": [{"nodes": [{"type": "B"}]}]}}, {"B"}, id="subgraph"
        ),
        pytest.param({"nodes": 5, "definitions": []}, set(), id="nonsense"),
    ],
)
def test_the_node_types_of_a_document_are_found_in_every_form(source, names):
    assert class_types_of(source) == names
