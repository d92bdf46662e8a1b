import pytest
from tests.workflow.conversion.editor import BOTH, NEW, OLD, SERVER, converted, document, inputs_of, node


def inner(kind, *values, inputs=(), **more):
    """Return a node as a group saves it: without an id, its links taken off."""
    slots = [{"name": name, "type": type_, "link": None} for name, type_ in inputs]
    return {"id": -1, "type": kind, "mode": 0, "inputs": slots, "widgets_values": list(values), **more}


LOADER = inner("Load", "b.png")
SAMPLER = inner("Sample", 5, "fixed", 6, "lcm", inputs=[("model", "MODEL"), ("image", "IMAGE")])


def grouped(nodes, *values, links=(), external=(), kind="workflow>G", outer=(), outer_links=(), **more):
    """Return a workflow whose node 9 is a group node."""
    config = more.pop("config", None)
    group = {"nodes": list(nodes), "links": [list(link) for link in links], "external": list(external)}
    return document(
        node(9, kind, *values, **more),
        *outer,
        links=outer_links,
        extra={"groupNodes": {"G": {**group, "config": config}}},
    )


PAIR = [[0, 0, 1, 1, 1, "IMAGE"]]


@pytest.mark.parametrize("kind", ["workflow>G", "workflow/G"])
@pytest.mark.parametrize(
    ("profile", "ids"), [(OLD, ["9:0", "9:1"]), (NEW, ["93:91", "93:92"])], ids=["1.27", "1.49"]
)
def test_the_nodes_of_a_group_are_sent(kind, profile, ids):
    prompt = converted(grouped([LOADER, SAMPLER], links=PAIR, kind=kind), profile).prompt

    assert list(prompt) == ids
    assert prompt[ids[1]]["inputs"]["image"] == [ids[0], 0]


def test_the_values_of_a_group_are_those_of_its_nodes():
    saved = grouped([LOADER, SAMPLER], "a.png", 77, "fixed", 88, "euler", links=PAIR)

    prompt = converted(saved, OLD).prompt

    assert prompt["9:0"]["inputs"] == {"name": "a.png"}
    assert prompt["9:1"]["inputs"] == {"seed": 77, "steps": 88, "sampler_name": "euler", "image": ["9:0", 0]}


def test_1_49_takes_old_combos_for_inputs_and_shifts_the_values():
    # 1.49 counts `name` and `sampler_name`, lists of choices, as inputs: their values stay the nodes' own.
    saved = grouped([LOADER, SAMPLER], "a.png", 77, "fixed", 88, "euler", links=PAIR)

    prompt = converted(saved, NEW).prompt

    assert prompt["93:91"]["inputs"] == {"name": "b.png"}
    assert prompt["93:92"]["inputs"]["sampler_name"] == "lcm"


def test_widgets_of_one_name_are_told_apart_by_the_node_s_title():
    saved = grouped([inner("Number", 1), inner("Number", 2, title="Second")], 10, 20)

    prompt = converted(saved, OLD).prompt

    assert [entry["inputs"]["value"] for entry in prompt.values()] == [10, 20]


def test_three_widgets_of_one_name_are_told_apart_too():
    saved = grouped([inner("Number", 1), inner("Number", 2), inner("Number", 3)], 10, 20, 30)

    assert [entry["inputs"]["value"] for entry in converted(saved, OLD).prompt.values()] == [10, 20, 30]


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_links_from_outside_reach_the_nodes_inside(profile):
    saved = grouped(
        [SAMPLER],
        outer=[node(2, "Load")],
        outer_links=[(7, 2, 0, 9, 1)],
        links=[[None, 0, 0, 1, 2, "IMAGE"]],
        inputs=[{"name": "image", "type": "IMAGE", "link": 7}],
    )

    prompt = converted(saved, profile).prompt

    assert prompt[next(key for key in prompt if key.endswith((":0", ":91")))]["inputs"]["image"] == ["2", 0]


@pytest.mark.parametrize(("profile", "origin"), [(OLD, "9:0"), (NEW, "92:91")], ids=["1.27", "1.49"])
def test_outputs_of_a_group_are_those_of_its_nodes(profile, origin):
    saved = grouped(
        [LOADER],
        outer=[node(1, "Save", links={"images": 7})],
        outer_links=[(7, 9, 1, 1, 0)],
        external=[[0, 1, "MASK"]],
    )

    assert inputs_of(saved, profile)["images"] == [origin, 1]


@pytest.mark.parametrize("mode", [2, 4], ids=["muted", "bypassed"])
@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_the_nodes_of_a_group_that_is_off_are_sent(mode, profile):
    assert len(converted(grouped([LOADER], mode=mode), profile).prompt) == 1


def test_1_27_passes_an_input_on_through_a_bypassed_group():
    saved = grouped(
        [inner("Blend", 1, inputs=[("image", "IMAGE"), ("other", "IMAGE")])],
        mode=4,
        outer=[node(2, "Load"), node(1, "Save", links={"images": 8})],
        outer_links=[(7, 2, 0, 9, 0), (8, 9, 0, 1, 0)],
        inputs=[{"name": "image", "type": "IMAGE", "link": 7}],
        external=[[0, 0, "IMAGE"]],
    )

    assert inputs_of(saved, OLD)["images"] == ["2", 0]
    assert inputs_of(saved, NEW)["images"] == ["92:91", 0]


PRIMITIVE = inner("PrimitiveNode", outputs=[{"name": "INT", "type": "INT", "widget": {"name": "seed"}}])


@pytest.mark.parametrize(
    ("profile", "node_id", "seed"),
    [pytest.param(OLD, "9:1", 77, id="1.27"), pytest.param(NEW, "93:92", 7, id="1.49-loses-it")],
)
def test_an_inner_primitive(profile, node_id, seed):
    # 1.49 makes `seed` a widget of the group, which has saved nothing for it: 7 is its default.
    sampler = {
        **SAMPLER,
        "inputs": [*SAMPLER["inputs"], {"name": "seed", "type": "INT", "widget": {"name": "seed"}}],
    }
    saved = grouped([PRIMITIVE, sampler], 77, "fixed", links=[[0, 0, 1, 2, 1, "INT"]])

    assert inputs_of(saved, profile, node_id=node_id)["seed"] == seed


def through_a_reroute(external):
    reroute = inner("Reroute", inputs=[("", "*")])
    return grouped(
        [reroute, SAMPLER, LOADER],
        outer=[node(2, "Load")],
        outer_links=[(7, 2, 0, 9, 0)],
        links=[[0, 0, 1, 1, 1, "IMAGE"], *([] if external else [[2, 0, 0, 0, 3, "IMAGE"]])],
        inputs=[{"name": "IMAGE", "type": "IMAGE", "link": 7}],
    )


@pytest.mark.parametrize(
    ("profile", "node_id", "external", "expected"),
    [
        pytest.param(OLD, "9:1", True, None, id="1.27-loses-what-comes-from-outside"),
        pytest.param(NEW, "94:92", True, None, id="1.49-too"),
        pytest.param(NEW, "94:92", False, ["94:93", 0], id="1.49-follows-it-inside"),
    ],
)
def test_an_inner_reroute(profile, node_id, external, expected):
    assert inputs_of(through_a_reroute(external), profile, node_id=node_id).get("image") == expected


def test_settings_of_the_group_name_and_hide_its_inputs():
    config = {"0": {"input": {"image": {"name": "picture"}, "model": {"visible": False}}}}
    saved = grouped(
        [SAMPLER],
        outer=[node(2, "Load")],
        outer_links=[(7, 2, 0, 9, 0)],
        inputs=[{"name": "picture", "type": "IMAGE", "link": 7}],
        config=config,
    )

    assert inputs_of(saved, OLD, node_id="9:0")["image"] == ["2", 0]


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_a_group_with_an_unknown_type_is_unknown(profile):
    conversion = converted(grouped([inner("Unheard")]), profile, server=SERVER)

    assert [one.class_type for one in conversion.unknown] == ["workflow>G"]


def test_a_group_that_the_file_does_not_have_is_unknown():
    assert [one.class_type for one in converted(document(node(9, "workflow>H"))).unknown] == ["workflow>H"]


def fed_through_a_pipe(*, external=(), links=()):
    """Return a group of a Reroute that leads out again, with node 2 before it and node 1 behind it."""
    return grouped(
        [inner("Reroute", inputs=[("", "*")]), LOADER],
        outer=[node(2, "Load"), node(1, "Save", links={"images": 8})],
        outer_links=[(7, 2, 0, 9, 0), (8, 9, 0, 1, 0)],
        links=links,
        external=external,
        inputs=[{"name": "IMAGE", "type": "IMAGE", "link": 7}],
    )


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"links": [[None, 0, 0, 0, 2, "IMAGE"]]}, id="the-link-says-its-type"),
        pytest.param({"external": [[0, 0, "IMAGE"]]}, id="the-list-of-outputs-says-it"),
    ],
)
def test_a_reroute_may_be_a_pipe_through_the_group(more):
    assert inputs_of(fed_through_a_pipe(**more), OLD)["images"] == ["2", 0]


def test_a_reroute_may_lead_out_of_the_group():
    saved = grouped(
        [LOADER, inner("Reroute", inputs=[("", "*")], outputs=[{"name": "", "type": "*"}])],
        outer=[node(1, "Save", links={"images": 8})],
        outer_links=[(8, 9, 1, 1, 0)],  # output 0 is the loader's mask
        links=[[0, 0, 1, 0, 1, "IMAGE"]],
        external=[[1, 0, "IMAGE"]],
    )

    assert inputs_of(saved, OLD)["images"] == ["9:0", 0]


@pytest.mark.parametrize(
    ("profile", "node_id", "name"),
    [pytest.param(OLD, "9:1", "a.png", id="1.27"), pytest.param(NEW, "93:92", "b.png", id="1.49-loses-it")],
)
def test_an_inner_primitive_may_be_a_combo(profile, node_id, name):
    combo = inner("PrimitiveNode", outputs=[{"name": "COMBO", "type": "COMBO", "widget": {"name": "name"}}])
    loader = {**LOADER, "inputs": [{"name": "name", "type": "COMBO", "widget": {"name": "name"}}]}
    saved = grouped([combo, loader], "a.png", links=[[0, 0, 1, 0, 1, "COMBO"]])

    assert inputs_of(saved, profile, node_id=node_id)["name"] == name


def test_a_primitive_that_leads_nowhere_has_no_widget():
    saved = grouped([inner("PrimitiveNode"), inner("Number", 1)], 10)

    assert inputs_of(saved, OLD, node_id="9:1") == {"value": 10}
