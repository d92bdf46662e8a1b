import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfywire.service.assets.signing import Signer

SIGNER = Signer(b"secret")
GOOD = SIGNER.sign("asset", 1000)


@pytest.mark.parametrize(
    ("subject", "expires", "signature", "now", "is_good"),
    [
        pytest.param("asset", 1000, GOOD, 999.9, True, id="in-time"),
        pytest.param("asset", 1000, GOOD, 1000, False, id="too-late"),
        pytest.param("asset", 1001, GOOD, 999, False, id="a-later-end-is-claimed"),
        pytest.param("other", 1000, GOOD, 999, False, id="another-asset"),
        pytest.param("asset", 1000, Signer(b"other").sign("asset", 1000), 999, False, id="another-secret"),
        pytest.param("asset", 1000, "", 999, False, id="no-signature"),
        pytest.param("asset", 1000, "ü\ud800", 999, False, id="no-ascii"),
    ],
)
def test_a_signature_is_good_for_one_thing_and_a_time(subject, expires, signature, now, is_good):
    assert SIGNER.is_good(subject, expires, signature, now=now) is is_good


def test_what_a_former_secret_signed_is_good_after_a_rotation():
    assert Signer(b"new", b"secret").is_good("asset", 1000, GOOD, now=0)


@given(st.text(), st.integers(0, 1 << 40))
def test_a_signature_stands_in_a_url_as_it_is(subject, expires):
    from urllib.parse import quote

    signature = SIGNER.sign(subject.encode("utf-8", "replace").decode(), expires)

    assert quote(signature, safe="") == signature
