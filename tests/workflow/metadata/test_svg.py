import io

import pytest

from comfywire.workflow.metadata.bounded import BoundedFile
from comfywire.workflow.metadata.svg import read_svg


def read(picture: str) -> list[tuple[str, str]]:
    return list(read_svg(BoundedFile(io.BytesIO(picture.encode()))))


@pytest.mark.parametrize(
    ("picture", "text"),
    [
        pytest.param(
            "<svg><metadata>\n<![CDATA[\n{}\n]]>\n</metadata></svg>", "{}", id="as-comfyui-writes-it"
        ),
        pytest.param('<svg><metadata id="x">{"a": "b"}</metadata></svg>', '{"a": "b"}', id="without-cdata"),
        pytest.param("<svg><metadata>&quot;a&quot;</metadata></svg>", '"a"', id="escaped"),
    ],
)
def test_the_text_of_the_metadata_is_found(picture, text):
    assert read(picture) == [("metadata", text)]


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param("<svg/>", id="no-metadata"),
        pytest.param("<svg><metadata></metadata></svg>", id="empty"),
        pytest.param("<svg><metadata>{}", id="no-end"),
        pytest.param("<svg><metadatas>{}</metadata></svg>", id="another-element"),
    ],
)
def test_a_picture_without_metadata_has_no_texts(picture):
    assert read(picture) == []


def test_entities_of_the_document_are_not_expanded():
    bomb = '<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><svg><metadata>&b;</metadata></svg>'

    assert read(bomb) == [("metadata", "&b;")]


def test_elements_that_never_end_are_not_searched_again_and_again():
    assert read("<svg>" + "<metadata>" * 300_000) == []
