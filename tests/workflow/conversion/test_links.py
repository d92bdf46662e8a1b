from itertools import pairwise

import pytest
from tests.workflow.conversion.editor import BOTH, NEW, OLD, converted, document, inputs_of, node, subgraph


def chain(*between, **last):
    """Return a workflow: Load 2, the nodes between, and Save 1, linked one after another."""
    nodes = [node(2, "Load"), *between]
    links = [
        (index + 1, left["id"], 0, right["id"], 0) for index, (left, right) in enumerate(pairwise(nodes))
    ]
    for index, one in enumerate(between):
        name = {"Blend": "image", "Reroute": ""}[one["type"]]
        one["inputs"] = [{"name": name, "type": "*", "link": index + 1}]
    end = len(nodes)
    return document(
        *nodes,
        node(1, "Save", links={"images": end}, **last),
        links=[*links, (end, nodes[-1]["id"], 0, 1, 0)],
    )


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
@pytest.mark.parametrize(
    "between",
    [
        pytest.param([], id="straight"),
        pytest.param([node(5, "Reroute")], id="a-reroute"),
        pytest.param([node(5, "Reroute"), node(6, "Reroute"), node(7, "Reroute")], id="reroutes"),
        pytest.param([node(5, "Blend", mode=4)], id="bypassed"),
        pytest.param(
            [node(5, "Blend", mode=4), node(6, "Reroute"), node(7, "Blend", mode=4)], id="all-of-it"
        ),
    ],
)
def test_a_link_is_followed_to_the_node_that_is_sent(profile, between):
    assert inputs_of(chain(*between), profile)["images"] == ["2", 0]


def test_nodes_that_live_in_the_browser_are_no_unknown_types():
    reroute = {**node(5, "Reroute (rgthree)"), "inputs": [{"name": "", "type": "*", "link": 1}]}
    saved = document(
        node(2, "Load"),
        reroute,
        node(6, "Fast Muter (rgthree)", links={"Load": 3}),
        node(1, "Save", links={"images": 2}),
        links=[(1, 2, 0, 5, 0), (2, 5, 0, 1, 0), (3, 2, 0, 6, 0)],
    )

    conversion = converted(saved)

    assert conversion.prompt["1"]["inputs"]["images"] == ["2", 0]
    assert (list(conversion.prompt), conversion.unknown) == (["1", "2"], [])


def test_a_muted_reroute_cuts_the_link():
    assert "images" not in inputs_of(chain(node(5, "Reroute", mode=2)))


def test_a_muted_reroute_cuts_nothing_in_1_27():
    assert inputs_of(chain(node(5, "Reroute", mode=2)), OLD)["images"] == ["2", 0]


def muted_producer():
    return document(
        node(2, "Number", 3.5, mode=2),
        node(1, "Save", "out", 90, widget_links={"quality": 1}),
        links=[(1, 2, 0, 1, 2)],
    )


def test_a_widget_fed_by_a_muted_node_keeps_its_value():
    assert inputs_of(muted_producer())["quality"] == 90


def test_a_widget_fed_by_a_muted_node_is_left_out_by_1_27():
    assert "quality" not in inputs_of(muted_producer(), OLD)


@pytest.mark.parametrize("mode", [2, 4], ids=["muted", "bypassed"])
def test_a_node_that_is_off_is_not_sent(mode):
    assert list(converted(chain(node(5, "Blend", mode=mode))).prompt) == ["1", "2"]


@pytest.mark.parametrize(
    ("saved", "why"),
    [
        pytest.param(
            document(node(1, "Save", links={"images": 8})), "link 8 is not in the file", id="no-link"
        ),
        pytest.param(
            document(node(1, "Save", links={"images": 8}), links=[(8, 55, 0, 1, 0)]),
            "node 55 does not exist",
            id="no-origin",
        ),
        pytest.param(
            document(
                node(3, "Reroute", links={"": 1}),
                node(4, "Reroute", links={"": 2}),
                node(1, "Save", links={"images": 1}),
                links=[(1, 4, 0, 3, 0), (2, 3, 0, 4, 0)],
            ),
            "its links run in a circle",
            id="a-circle",
        ),
    ],
)
def test_a_link_that_leads_nowhere_is_left_out_with_a_warning(saved, why):
    conversion = converted(saved)

    assert "images" not in conversion.prompt["1"]["inputs"]
    assert conversion.warnings == [f"node 1 (Save): input 'images' was left unlinked, since {why}"]


@pytest.mark.parametrize(
    "links",
    [
        pytest.param([[1, 2, 0, 1, 0, "IMAGE"]], id="arrays"),
        pytest.param(
            [{"id": 1, "origin_id": 2, "origin_slot": 0, "target_id": 1, "target_slot": 0}], id="objects"
        ),
    ],
)
@pytest.mark.parametrize("version", [0.4, 1, None])
def test_either_form_of_links_is_read_in_any_schema(links, version):
    saved = document(node(2, "Load"), node(1, "Save", links={"images": 1}), version=version)
    saved["links"] = links

    assert inputs_of(saved)["images"] == ["2", 0]


def test_the_target_slot_of_a_link_does_not_count():
    saved = document(node(2, "Load"), node(1, "Save", links={"images": 1}), links=[(1, 2, 0, 1, 44)])

    assert inputs_of(saved)["images"] == ["2", 0]


def test_a_get_node_stands_for_the_input_of_its_set_node():
    saved = document(
        node(2, "Load"),
        node(3, "SetNode", "picture", links={"IMAGE": 1}),
        node(4, "GetNode", "picture"),
        node(1, "Save", links={"images": 2}),
        links=[(1, 2, 0, 3, 0), (2, 4, 0, 1, 0)],
    )

    conversion = converted(saved)

    assert conversion.prompt["1"]["inputs"]["images"] == ["2", 0]
    assert (list(conversion.prompt), conversion.warnings) == (["1", "2"], [])


def test_a_get_node_finds_its_set_node_in_a_graph_above():
    inner = subgraph(
        "inner",
        node(4, "GetNode", "picture"),
        node(5, "Save", links={"images": 2}),
        links=[(2, 4, 0, 5, 0)],
    )
    saved = document(
        node(2, "Load"),
        node(3, "SetNode", "picture", links={"IMAGE": 1}),
        node(9, "inner"),
        links=[(1, 2, 0, 3, 0)],
        definitions={"subgraphs": [inner]},
    )

    assert inputs_of(saved, node_id="9:5")["images"] == ["2", 0]


def test_a_link_leaves_a_subgraph_by_its_output():
    inner = subgraph("inner", node(5, "Load"), links=[(2, 5, 1, -20, 0)], outputs={"out": ("MASK", [2])})
    saved = document(
        node(9, "inner"),
        node(1, "Save", links={"images": 1}),
        links=[(1, 9, 0, 1, 0)],
        definitions={"subgraphs": [inner]},
    )

    assert inputs_of(saved)["images"] == ["9:5", 1]


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_a_link_straight_through_a_subgraph_is_followed(profile):
    inner = subgraph(
        "inner",
        links=[(2, -10, 0, -20, 0)],
        inputs={"in": ("IMAGE", [2])},
        outputs={"out": ("IMAGE", [2])},
    )
    saved = document(
        node(2, "Load"),
        node(9, "inner", links={"in": 3}),
        node(1, "Save", links={"images": 1}),
        links=[(3, 2, 0, 9, 0), (1, 9, 0, 1, 0)],
        definitions={"subgraphs": [inner]},
    )

    assert inputs_of(saved, profile)["images"] == ["2", 0]


def test_a_bypassed_instance_passes_on_an_input_of_its_own():
    inner = subgraph(
        "inner",
        node(5, "Blend", links={"image": 4}),
        links=[(4, -10, 0, 5, 0), (2, 5, 0, -20, 0)],
        inputs={"in": ("IMAGE", [4])},
        outputs={"out": ("IMAGE", [2])},
    )
    saved = document(
        node(2, "Load"),
        node(9, "inner", links={"in": 3}, mode=4),
        node(1, "Save", links={"images": 1}),
        links=[(3, 2, 0, 9, 0), (1, 9, 0, 1, 0)],
        definitions={"subgraphs": [inner]},
    )

    assert converted(saved, NEW).prompt["1"]["inputs"]["images"] == ["2", 0]
    assert list(converted(saved, NEW).prompt) == ["1", "2"]


@pytest.mark.parametrize(
    ("slot", "outputs"),
    [
        pytest.param(5, {"out": ("IMAGE", [2])}, id="an-output-that-the-definition-lacks"),
        pytest.param(0, {"out": ("IMAGE", [])}, id="an-output-without-a-link"),
    ],
)
def test_an_output_that_leads_nowhere_feeds_nothing(slot, outputs):
    inner = subgraph("inner", node(5, "Load"), links=[(2, 5, 0, -20, 0)], outputs=outputs)
    saved = document(
        node(9, "inner"),
        node(1, "Save", links={"images": 1}),
        links=[(1, 9, slot, 1, 0)],
        definitions={"subgraphs": [inner]},
    )

    assert "images" not in inputs_of(saved)


def test_an_input_that_the_definition_lacks_feeds_nothing():
    inner = subgraph("inner", node(5, "Save", links={"images": 2}), links=[(2, -10, 3, 5, 0)])

    assert "images" not in inputs_of(
        document(node(9, "inner"), definitions={"subgraphs": [inner]}), node_id="9:5"
    )


@pytest.mark.parametrize(
    ("name", "mode"),
    [pytest.param("other", 0, id="no-such-name"), pytest.param("picture", 2, id="a-muted-set-node")],
)
def test_a_get_node_without_its_set_node_feeds_nothing(name, mode):
    saved = document(
        node(2, "Load"),
        node(3, "SetNode", "picture", links={"IMAGE": 1}, mode=mode),
        node(4, "GetNode", name),
        node(1, "Save", links={"images": 2}),
        links=[(1, 2, 0, 3, 0), (2, 4, 0, 1, 0)],
    )

    assert "images" not in inputs_of(saved)
