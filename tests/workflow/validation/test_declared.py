import pytest

from comfywire.workflow.validation.declared import declared_inputs


def raw(**required) -> dict:
    return {"input": {"required": required}}


COMBO = ["COMFY_DYNAMICCOMBO_V3", {"options": [
    {"key": "by size", "inputs": {"required": {"width": ["INT", {}]}, "optional": {"crop": ["BOOLEAN"]}}},
    {"key": "by factor", "inputs": {"required": {"factor": ["FLOAT"]}}},
]}]  # fmt: skip
GROW = ["COMFY_AUTOGROW_V3", {"template": {
    "input": {"required": {"image": ["IMAGE", {}]}}, "prefix": "image", "min": 2, "max": 4,
}}]  # fmt: skip
NAMED = [
    "COMFY_AUTOGROW_V3",
    {"template": {"input": {"optional": {"x": ["INT"]}}, "names": ["a", "b"], "min": 1}},
]
SLOT = ["COMFY_DYNAMICSLOT_V3", {"slotType": "IMAGE", "inputs": {"required": {"strength": ["FLOAT"]}}}]


@pytest.mark.parametrize(
    ("entry", "inputs", "names"),
    [
        pytest.param(raw(a=["INT"]), {}, ["a!"], id="plain"),
        pytest.param(
            {"input": {"optional": {"a": ["INT"], "b": ["INT"]}, "required": {"b": ["INT"]}}},
            {},
            ["b!", "a"],
            id="required-first",
        ),
        pytest.param(raw(a=COMBO), {"a": "by size"}, ["a!", "a.width!", "a.crop"], id="a-chosen-key"),
        pytest.param(raw(a=COMBO), {"a": "by factor"}, ["a!", "a.factor!"], id="another-key"),
        pytest.param(raw(a=COMBO), {"a": "nonsense"}, [], id="a-key-that-is-not-offered"),
        pytest.param(raw(a=COMBO), {}, [], id="no-key"),
        pytest.param(raw(a=GROW), {}, ["a.image0!", "a.image1!", "a.image2", "a.image3"], id="numbered"),
        pytest.param(raw(a=NAMED), {}, ["a.a", "a.b"], id="named-and-optional"),
        pytest.param(raw(a=SLOT), {"a": ["1", 0]}, ["a!", "a.strength!"], id="a-linked-slot"),
        pytest.param(raw(a=SLOT), {}, [], id="a-slot-without-a-link"),
        pytest.param({"input": []}, {}, [], id="no-sections"),
        pytest.param(raw(a="INT"), {}, ["a!"], id="an-odd-entry"),
        pytest.param(raw(a=["COMFY_AUTOGROW_V3", {}]), {}, [], id="no-template"),
        pytest.param(
            raw(a=["COMFY_AUTOGROW_V3", {"template": {"names": ["x"]}}]), {}, ["a.x"], id="an-empty-template"
        ),
    ],
)
def test_the_expected_inputs_of_a_node(entry, inputs, names):
    found = declared_inputs(entry, inputs).values()

    assert [expected.name + ("!" if expected.is_required else "") for expected in found] == names


def test_keys_inside_keys_are_followed_only_so_far():
    required: dict = {}
    nested = ["COMFY_DYNAMICCOMBO_V3", {"options": [{"key": "x", "inputs": {"required": required}}]}]
    required["a"] = nested

    found = declared_inputs(raw(a=nested), {"a" + ".a" * depth: "x" for depth in range(50)})

    assert len(found) == 8


@pytest.mark.parametrize(
    ("spec", "choices"),
    [([["a", "b"], {}], ["a", "b"]), (["COMBO", {"options": ["c"]}], ["c"]), (["COMBO"], [])],
)
def test_choices_are_found_in_either_spelling(spec, choices):
    [declared] = declared_inputs(raw(a=spec), {}).values()

    assert (declared.is_combo, declared.choices) == (True, choices)
