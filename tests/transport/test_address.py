from __future__ import annotations

from base64 import b64decode

import pytest

from comfywire.transport.address import Address


@pytest.mark.parametrize(
    ("url", "http", "socket"),
    [
        pytest.param(
            "127.0.0.1:8188", "http://127.0.0.1:8188", "ws://127.0.0.1:8188", id="bare-host-and-port"
        ),
        pytest.param("gpu", "http://gpu", "ws://gpu", id="bare-host"),
        pytest.param("http://gpu:8188/", "http://gpu:8188", "ws://gpu:8188", id="trailing-slash"),
        pytest.param("HTTP://GPU:8188", "http://gpu:8188", "ws://gpu:8188", id="capitals"),
        pytest.param("https://gpu.example", "https://gpu.example", "wss://gpu.example", id="https-means-wss"),
        pytest.param("gpu/a/b/", "http://gpu/a/b", "ws://gpu/a/b", id="path-prefix"),
        pytest.param("[::1]:8188", "http://[::1]:8188", "ws://[::1]:8188", id="ipv6-and-port"),
        pytest.param("http://[fe80::1]/x", "http://[fe80::1]/x", "ws://[fe80::1]/x", id="ipv6-and-prefix"),
        pytest.param(
            "http://u:p@gpu:1/x", "http://gpu:1/x", "ws://gpu:1/x", id="user-and-password-are-no-part"
        ),
        pytest.param("u@gpu:8188", "http://gpu:8188", "ws://gpu:8188", id="bare-host-with-user"),
        pytest.param(" http://gpu:8188\n", "http://gpu:8188", "ws://gpu:8188", id="pasted-with-white-space"),
    ],
)
def test_an_address_is_read(url, http, socket):
    address = Address.parse(url)

    assert address.http("/queue") == f"{http}/queue"
    assert address.socket("/ws", "me") == f"{socket}/ws?clientId=me"
    assert address.url == http


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param("", "is not an address", id="empty"),
        pytest.param("http://", "is not an address", id="no-host"),
        pytest.param("ftp://gpu", "is not an address", id="another-scheme"),
        pytest.param("ws://gpu:8188", "is not an address", id="a-socket-address"),
        pytest.param("/just/a/path", "is not an address", id="a-path"),
        pytest.param("gpu:http", "port", id="port-in-words"),
        pytest.param("gpu:99999", "port", id="port-too-large"),
        pytest.param("::1", "brackets", id="ipv6-without-brackets"),
        pytest.param("http://[::1", "is not an address", id="bracket-left-open"),
        pytest.param("http://a..b", "is not an address", id="empty-part-of-a-name"),
        pytest.param("http://me:12/34@gpu", "%2F", id="slash-in-the-password"),
        pytest.param("http://my gpu:8188", "is not an address", id="white-space-inside"),
    ],
)
def test_what_is_no_address_is_refused_in_a_sentence(url, says):
    with pytest.raises(ValueError, match=says):
        Address.parse(url)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://me:s3cret@gpu:http", id="password"),
        pytest.param("me:s3cret@gpu:http", id="password-without-scheme"),
        pytest.param("ftp://s3cret@gpu", id="user"),
        pytest.param("http://gpu:http/?token=s3cret", id="token-in-the-query"),
        pytest.param("http://me:s3cret@gp℀u", id="refused-by-the-url-parser"),
        pytest.param("http://me:s3cret@[::1", id="bracket-left-open"),
        pytest.param("http://me:s3/cret@gpu:http", id="slash-in-the-password"),
    ],
)
def test_a_refusal_shows_no_secret(url):
    with pytest.raises(ValueError, match=r"address|port") as refusal:
        Address.parse(url)

    assert "s3" not in str(refusal.value)
    assert "cret" not in str(refusal.value)
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "headers", "token", "sent"),
    [
        pytest.param("http://me:pw@gpu", None, None, ("Basic", b"me:pw"), id="userinfo"),
        pytest.param("http://m%40e:p%3Aw%2F@gpu", None, None, ("Basic", b"m@e:p:w/"), id="percent-escapes"),
        pytest.param("http://ü:pw@gpu", None, None, ("Basic", "ü:pw".encode()), id="not-ascii"),
        pytest.param("http://me@gpu", None, None, ("Basic", b"me:"), id="no-password"),
        pytest.param("http://me:@gpu", None, None, ("Basic", b"me:"), id="empty-password"),
    ],
)
def test_user_and_password_become_basic_authentication(url, headers, token, sent):
    scheme, proof = Address.parse(url, headers=headers, token=token).headers["Authorization"].split(" ")

    assert (scheme, b64decode(proof)) == sent


@pytest.mark.parametrize(
    ("url", "headers", "token", "sent"),
    [
        pytest.param("gpu", None, None, {}, id="nothing"),
        pytest.param("gpu", None, "abc", {"Authorization": "Bearer abc"}, id="token"),
        pytest.param(
            "me:pw@gpu", None, "abc", {"Authorization": "Bearer abc"}, id="token-wins-over-userinfo"
        ),
        pytest.param(
            "gpu", {"authorization": "X y"}, "abc", {"authorization": "X y"}, id="named-header-wins"
        ),
        pytest.param(
            "gpu", {"X-Key": "k"}, "abc", {"Authorization": "Bearer abc", "X-Key": "k"}, id="header-and-token"
        ),
    ],
)
def test_headers_are_put_together(url, headers, token, sent):
    assert Address.parse(url, headers=headers, token=token).headers == sent


@pytest.mark.parametrize(
    ("url", "query"),
    [
        pytest.param("http://gpu?token=a%20b", "token=a%20b", id="escaped"),
        pytest.param("http://gpu/x/?token=a+b/c==", "token=a%2Bb%2Fc%3D%3D", id="base64"),
        pytest.param("http://gpu?a=1&b=2", "a=1&b=2", id="two"),
    ],
)
def test_a_query_goes_with_every_request(url, query):
    address = Address.parse(url)

    assert address.http("/queue").endswith(f"/queue?{query}")
    assert address.http("/view", filename="a b&c#1.png").endswith(f"?{query}&filename=a%20b%26c%231.png")
    assert address.socket("/ws", "me").endswith(f"/ws?{query}&clientId=me")


def test_no_secret_is_in_a_repr():
    address = Address.parse("http://me:s3cret@gpu?t=s3cret", headers={"X-Key": "s3cret"}, token="s3cret")

    assert "s3cret" not in repr(address)
    assert "s3cret" not in address.url
