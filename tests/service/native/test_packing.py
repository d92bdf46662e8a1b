"""Members of JSON that are packed once each."""

import gzip
import json
import zlib

import pytest

from comfywire.service.native.packing import PackedText, joined

TEXTS = [b'"a": 1', b'"b": "' + b"x" * 100_000 + b'"', b'"c": {"deep": [1, 2, 3]}']


@pytest.mark.parametrize("members", [[], TEXTS[:1], TEXTS, TEXTS[::-1], TEXTS * 50])
def test_parts_in_any_order_are_one_gzip_body(members: list[bytes]) -> None:
    whole = joined([PackedText.of(member) for member in members])

    assert gzip.decompress(whole.packed) == whole.plain == b"{%b}" % b", ".join(members)
    json.loads(whole.plain)


def test_a_decoder_of_one_member_reads_it_to_its_end() -> None:
    """As browsers and aiohttp have it: a second gzip member would be lost there."""
    whole = joined([PackedText.of(text) for text in TEXTS])
    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)

    assert decoder.decompress(whole.packed) == whole.plain
    assert decoder.eof
    assert decoder.unused_data == b""
