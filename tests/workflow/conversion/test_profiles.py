from typing import Any

import pytest
from tests.workflow.conversion.editor import SERVER, document, node

from comfywire.workflow.catalogues.packaged import packaged
from comfywire.workflow.conversion.convert import Converter, convert, to_prompt
from comfywire.workflow.object_info import ObjectInfo
from comfywire.workflow.profiles import FE_1_27, FE_1_49, FE_1_58, profile_for

OLD_SERVER = {"KSampler": {"input": {}, "display_name": "KSampler"}}
NEW_SERVER: dict[str, Any] = {"KSampler": {"input": {}, "search_aliases": None}}


@pytest.mark.parametrize(
    ("version", "object_info", "profile"),
    [
        pytest.param("0.3.64", None, FE_1_27, id="0.3.64"),
        pytest.param("0.3.9", None, FE_1_27, id="before"),
        pytest.param("v0.3.64", None, FE_1_27, id="as-a-tag"),
        pytest.param("0.3.65", None, FE_1_49, id="after"),
        pytest.param("0.33.0", None, FE_1_49, id="0.33.0"),
        pytest.param("0.34.1", None, FE_1_58, id="newer"),
        pytest.param("1.0.0", None, FE_1_58, id="much-newer"),
        pytest.param("0.33.0", OLD_SERVER, FE_1_49, id="the-version-goes-first"),
        pytest.param("unknown", OLD_SERVER, FE_1_27, id="an-unreadable-version-is-none"),
        pytest.param(None, OLD_SERVER, FE_1_27, id="an-old-server's-answer"),
        pytest.param(None, NEW_SERVER, FE_1_49, id="a-new-server's-answer"),
        pytest.param(None, {}, FE_1_49, id="nothing-known"),
    ],
)
def test_the_profile_is_the_server_s(version, object_info, profile):
    assert profile_for(version, object_info) is profile


@pytest.mark.parametrize(
    ("object_info", "profile"),
    [
        pytest.param(OLD_SERVER, FE_1_27, id="an-old-server's"),
        pytest.param(NEW_SERVER, FE_1_49, id="a-new-server's"),
        pytest.param(packaged(), FE_1_58, id="the-packaged-one-is-no-server's"),
        pytest.param(
            ObjectInfo(NEW_SERVER, version="0.34.0"), FE_1_58, id="a-server's-that-says-its-version"
        ),
    ],
)
def test_a_converter_recognises_its_profile(object_info, profile):
    assert Converter(object_info).profile is profile


def test_a_given_profile_is_used():
    assert Converter(NEW_SERVER, profile=FE_1_27).profile is FE_1_27


def test_a_converter_gives_what_convert_gives():
    saved = document(node(1, "Sample", 5))

    assert Converter(SERVER).convert(saved) == convert(saved, SERVER)


def test_just_the_prompt_is_the_conversion_s():
    saved = document(node(1, "Sample", 5))

    assert [to_prompt(saved, SERVER), to_prompt(saved, SERVER)] == [convert(saved, SERVER).prompt] * 2
