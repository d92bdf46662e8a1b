"""How operators write a ComfyUI."""

import pytest

from comfywire.service.settings import ServerAddress


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("http://gpu:8188", ServerAddress("http://gpu:8188"), id="an-address"),
        pytest.param("http://gpu:8188#", ServerAddress("http://gpu:8188"), id="nothing-said"),
        pytest.param("http://gpu#a,b", ServerAddress("http://gpu", ("a", "b")), id="tags"),
        pytest.param("http://gpu#slots=3", ServerAddress("http://gpu", (), 3), id="slots"),
        pytest.param("http://gpu#a, slots=16 ,b", ServerAddress("http://gpu", ("a", "b"), 16), id="both"),
    ],
)
def test_a_server_is_an_address_with_tags_and_slots(text: str, expected: ServerAddress):
    assert ServerAddress.parse(text) == expected


@pytest.mark.parametrize("number", ["0", "17", "-1", "two", "", "1.5", "٣"])
def test_slots_that_are_no_number_are_refused_in_words(number: str):
    with pytest.raises(ValueError, match="no number from 1 to 16: write slots=2"):
        ServerAddress.parse(f"http://gpu#slots={number}")
