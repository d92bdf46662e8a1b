from uuid import UUID

import pytest

from comfywire.service.assets.references import MalformedReference, asset_ids, with_files

ONE, TWO = UUID(int=1), UUID(int=2)


def reference(asset_id: object, **hints: str) -> dict[str, object]:
    return {"__type": "core/ASSET", "info": {"id": str(asset_id), **hints}}


def prompt(**inputs: object) -> dict[str, object]:
    return {
        "1": {"class_type": "LoadImage", "inputs": inputs, "_meta": {"title": "t"}},
        "2": {"class_type": "Save", "inputs": {"images": ["1", 0]}},
    }


def test_each_asset_is_named_once_in_the_order_of_the_nodes():
    found = asset_ids(prompt(a=reference(TWO), b=reference(ONE, hash="blake3:x"), c=reference(TWO)))

    assert found == [TWO, ONE]


@pytest.mark.parametrize(
    "value",
    [[reference(ONE)], {"inner": {"deeper": reference(ONE)}}, [[{"x": [reference(ONE)]}]]],
    ids=["list", "object", "both"],
)
def test_assets_are_found_wherever_they_are_in_an_input(value):
    assert asset_ids(prompt(image=value)) == [ONE]


def test_files_take_the_place_of_assets_and_nothing_else_changes():
    before = prompt(image=reference(ONE), other=[reference(TWO), "text", 1], link=["3", 0])

    after = with_files(before, {ONE: "one.png", TWO: "two.png"})

    assert after == prompt(image="one.png", other=["two.png", "text", 1], link=["3", 0])
    assert before == prompt(image=reference(ONE), other=[reference(TWO), "text", 1], link=["3", 0])


@pytest.mark.parametrize(
    "malformed",
    [
        {"__type": "core/ASSET"},
        {"__type": "core/ASSET", "info": {}},
        {"__type": "core/ASSET", "info": {"id": 1}},
        {"__type": "core/ASSET", "info": {"id": "photo.png"}},
        {"__type": "core/ASSET", "info": "photo.png"},
        {"__type": "core/ASSET", "info": {"hash": "blake3:x"}},
    ],
)
@pytest.mark.parametrize("read", [asset_ids, lambda prompt: with_files(prompt, {})])
def test_a_malformed_reference_names_its_node(read, malformed):
    with pytest.raises(MalformedReference, match="node 1 has a core/ASSET object without info") as caught:
        read(prompt(image=malformed))

    assert (caught.value.node_id, caught.value.code) == ("1", "missing_asset")


@pytest.mark.parametrize("node", [None, "text", {}, {"class_type": "X"}, {"inputs": None}])
def test_what_is_no_node_is_left_to_the_validator(node):
    assert with_files({"1": node}, {}) == {"1": node}
    assert asset_ids({"1": node}) == []


@pytest.mark.parametrize("value", [{"__type": "core/MODEL", "info": {}}, {"__value__": [1, 2]}, "core/ASSET"])
def test_other_objects_are_no_assets(value):
    assert asset_ids(prompt(image=value)) == []
