import pytest

from comfywire.service.api.bodies.byte_ranges import UnsatisfiableRange, range_of


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(None, None, id="none"),
        pytest.param("bytes=0-0", (0, 1), id="first-byte"),
        pytest.param("bytes=10-", (10, 100), id="from"),
        pytest.param("bytes=10-19", (10, 20), id="both-ends-count"),
        pytest.param("bytes=90-1000", (90, 100), id="beyond-the-end"),
        pytest.param("bytes=-10", (90, 100), id="suffix"),
        pytest.param("bytes=-1000", (0, 100), id="suffix-longer-than-the-file"),
        pytest.param("Bytes = 1 - 2", (1, 3), id="spaces-and-case"),
        pytest.param("bytes=5-4", None, id="backwards-is-invalid-and-ignored"),
        pytest.param("bytes=0-1,5-6", None, id="several"),
        pytest.param("lines=0-1", None, id="another-unit"),
        pytest.param("bytes=-", None, id="empty"),
        pytest.param("bytes=a-b", None, id="no-numbers"),
        pytest.param("bytes=" + "9" * 5000 + "-", None, id="absurd"),
    ],
)
def test_one_range_is_read_and_what_is_unclear_means_all(header, expected):
    assert range_of(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(header):
    with pytest.raises(UnsatisfiableRange, match="has 100 bytes"):
        range_of(header, 100)
