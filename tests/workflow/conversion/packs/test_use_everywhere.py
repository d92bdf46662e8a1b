"""Links that nobody drew: those that a file records, those it still has, and those that follow from types."""

import pytest
from tests.workflow.conversion.editor import converted, document, inputs_of, node, node_type, subgraph

SERVER = {
    "Model": node_type({}, output=("MODEL", "VAE", "INT")),
    "Sampler": node_type({"model": ["MODEL"], "vae": ["VAE"], "seed": ["INT", {}]}, output=("LATENT",)),
    "Anything Everywhere": node_type(
        optional={"anything": ["*"]}, python_module="custom_nodes.cg-use-everywhere"
    ),
    "Seed Everywhere": node_type(
        {"seed": ["INT", {}]}, output=("INT",), python_module="custom_nodes.cg-use-everywhere"
    ),
}
UE = "Anything Everywhere"


def sampler(node_id=1, **more):
    slots = [
        {"name": name, "type": kind, "link": None} for name, kind in (("model", "MODEL"), ("vae", "VAE"))
    ]
    return {**node(node_id, "Sampler", 7), "inputs": slots, **more}


def everywhere(node_id=3, link=1, kind=UE, **settings):
    made = node(node_id, kind, links={"anything": link})
    return {**made, "properties": {"ue_properties": settings}}


def inputs(*nodes, links, node_id="1", **more):
    return inputs_of(document(*nodes, links=links, **more), server=SERVER, node_id=node_id)


def record(downstream, slot, upstream, output):
    return {
        "downstream": downstream,
        "downstream_slot": slot,
        "upstream": upstream,
        "upstream_slot": output,
        "controller": 3,
        "type": "MODEL",
    }


def test_recorded_links_are_made():
    made = inputs(
        sampler(),
        node(2, "Model"),
        everywhere(),
        links=[(1, 2, 0, 3, 0)],
        extra={"ue_links": [record(1, 0, "2", 0)]},
    )

    assert made == {"seed": 7, "model": ["2", 0]}


def test_a_link_that_is_drawn_goes_first():
    drawn = sampler()
    drawn["inputs"][0]["link"] = 9

    made = inputs(
        drawn,
        node(2, "Model"),
        node(4, "Model"),
        everywhere(),
        links=[(1, 2, 0, 3, 0), (9, 4, 0, 1, 0)],
        extra={"ue_links": [record(1, 0, "2", 0)]},
    )

    assert made["model"] == ["4", 0]


def test_a_record_inside_a_subgraph_reaches_its_ends():
    inner = subgraph("sub", sampler(11), inputs={"model": ("MODEL", [])}, outputs={"latent": ("LATENT", [])})
    inner["extra"] = {"ue_links": [record("11", 0, "-10", 0), record("-20", 0, "11", 0)]}
    saved = document(
        node(1, "Sampler", 7, links={"model": 2}),
        node(2, "sub", links={"model": 1}),
        node(3, "Model"),
        links=[(1, 3, 0, 2, 0), (2, 2, 0, 1, 0)],
        definitions={"subgraphs": [inner]},
    )

    prompt = converted(saved, server=SERVER).prompt

    assert prompt["2:11"]["inputs"]["model"] == ["3", 0]
    assert prompt["1"]["inputs"]["model"] == ["2:11", 0]


def test_links_that_an_older_version_left_in_the_list_are_taken_up_the_first_of_each():
    made = inputs(
        sampler(),
        node(2, "Model"),
        node(4, "Model"),
        everywhere(),
        links=[(1, 2, 0, 3, 0), (5, 4, 0, 1, 0), (6, 2, 0, 1, 0)],
    )

    assert made == {"seed": 7, "model": ["4", 0]}


def test_without_a_record_a_type_is_fed_and_a_warning_says_so():
    saved = document(sampler(), node(2, "Model"), everywhere(), links=[(1, 2, 0, 3, 0)])

    done = converted(saved, server=SERVER)

    assert done.prompt["1"]["inputs"] == {"seed": 7, "model": ["2", 0]}
    assert "node 1 (Sampler): its input 'model' was linked to node 2" in done.warnings[0]


@pytest.mark.parametrize(
    ("target", "settings", "is_fed"),
    [
        pytest.param({"title": "first"}, {"title_regex": "^first$"}, True, id="title"),
        pytest.param({"title": "second"}, {"title_regex": "^first$"}, False, id="another-title"),
        pytest.param(
            {"title": "second"}, {"title_regex": "^first$", "title_regex_invert": True}, True, id="inverted"
        ),
        pytest.param({}, {"input_regex": "model"}, True, id="input"),
        pytest.param({}, {"input_regex": "vae"}, False, id="another-input"),
        pytest.param({"color": "#f00"}, {"color_restricted": 1}, False, id="another-colour"),
        pytest.param({"color": "#f00"}, {"color_restricted": 2}, True, id="only-other-colours"),
        pytest.param({"mode": 2}, {}, False, id="muted"),
        pytest.param({"properties": {"rejects_ue_links": True}}, {}, False, id="it-rejects"),
        pytest.param(
            {"properties": {"ue_properties": {"input_ue_unconnectable": {"model": True}}}},
            {},
            False,
            id="this-input-rejects",
        ),
    ],
)
def test_conditions_say_what_is_fed(target, settings, is_fed):
    saved = document(sampler(**target), node(2, "Model"), everywhere(**settings), links=[(1, 2, 0, 3, 0)])

    prompt = converted(saved, server=SERVER).prompt

    assert ("model" in prompt.get("1", {}).get("inputs", {})) is is_fed


@pytest.mark.parametrize(
    ("at", "is_fed"), [pytest.param([10, 10], True, id="in-the-group"), ([900, 900], False)]
)
def test_a_group_may_be_asked_for(at, is_fed):
    made = inputs(
        sampler(pos=at, size=[10, 10]),
        node(2, "Model"),
        everywhere(group_restricted=1) | {"pos": [50, 50], "size": [10, 10]},
        links=[(1, 2, 0, 3, 0)],
        groups=[{"title": "here", "bounding": [0, 0, 200, 200]}],
    )

    assert ("model" in made) is is_fed


@pytest.mark.parametrize(
    ("settings", "expected"),
    [pytest.param({}, None, id="equals-feed-nothing"), ({"title_regex": "Sampler"}, ["4", 0])],
)
def test_of_several_the_most_particular_feeds(settings, expected):
    made = inputs(
        sampler(),
        node(2, "Model"),
        node(4, "Model"),
        everywhere(),
        everywhere(5, 2, **settings),
        links=[(1, 2, 0, 3, 0), (2, 4, 0, 5, 0)],
    )

    assert made.get("model") == expected


def test_seeds_and_widgets_are_fed_only_where_the_node_lists_them():
    converted_widget = sampler()
    converted_widget["inputs"].append(
        {"name": "seed", "type": "INT", "link": None, "widget": {"name": "seed"}}
    )

    assert inputs(converted_widget, node(3, "Seed Everywhere", 5), links=[])["seed"] == ["3", 0]
    assert inputs(sampler(), node(3, "Seed Everywhere", 5), links=[])["seed"] == 7


def test_prompts_go_to_inputs_of_their_name():
    server = {
        **SERVER,
        "Text": node_type({}, output=("CONDITIONING",)),
        "Guide": node_type({"positive": ["CONDITIONING"], "negative": ["CONDITIONING"]}),
    }
    slots = [{"name": name, "type": "*", "link": link} for name, link in (("+ve", 1), ("-ve", 2))]
    saved = document(
        node(1, "Guide"),
        node(2, "Text"),
        node(3, "Text"),
        {**node(4, "Prompts Everywhere"), "inputs": slots},
        links=[(1, 2, 0, 4, 0), (2, 3, 0, 4, 1)],
    )

    assert inputs_of(saved, server=server) == {"positive": ["2", 0], "negative": ["3", 0]}


def test_a_broadcast_that_nothing_takes_is_worth_a_warning():
    saved = document(node(2, "Model"), everywhere(), links=[(1, 2, 0, 3, 0)])

    warnings = converted(saved, server=SERVER).warnings

    assert [words for words in warnings if words.startswith("node 3 (Anything Everywhere): it broadcasts")]


def test_where_the_server_lacks_the_pack_its_nodes_are_not_sent():
    lacking = {kind: SERVER[kind] for kind in ("Model", "Sampler")}
    saved = document(sampler(), node(2, "Model"), everywhere(), links=[(1, 2, 0, 3, 0)])

    prompt = converted(saved, server=lacking).prompt

    assert set(prompt) == {"1", "2"}
    assert prompt["1"]["inputs"]["model"] == ["2", 0]
