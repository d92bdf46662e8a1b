"""Patterns of other people: the usual ones are followed, and none takes long."""

import re
import time

import pytest

from comfywire.workflow.conversion.packs.title_patterns import WildPattern, is_found, pattern_of


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("^KSampler", "KSampler (Advanced)"),
        ("seed|positive", "my seed"),
        (r"Load .*\.png$", "Load a.png"),
        (r"(first|second) stage", "second stage"),
        (r"^(?!.*refine).*$", "base"),
        (r"[A-Z]\d{1,3}\b", "node B12"),
        (r"KSampler(?: \(Advanced\))?", "KSampler"),
        (r"\(x\)", "(x)"),
        (".*refine.*", "to refine it"),
        (r"v1\..*", "v1.5"),
        ("^a.*b.*c", "a b c"),
    ],
)
def test_usual_patterns_find_what_they_find(said, text):
    assert is_found(pattern_of(said), (text,))
    assert not is_found(pattern_of(said), ("~",)) or re.search(said, "~")


@pytest.mark.parametrize(
    "said",
    [
        "(a+)+$",
        "(a|a)*$",
        "(a|aa){2,}$",
        "a?" * 30 + "a" * 30,
        "(a|a)(a|a)(a|a)(a|a)b",
        ".*.*.*.*b",
        ".*?.*?.*?z0",
        "a.*b.*c",
        "^a|b.*c.*d",
        r"(a*)\1b",
        "(?:a{1,9}){1,9}",
        "a" * 201,
        "((a*)*)b",
        "a**" + "b",
    ],
)
def test_wild_patterns_are_refused(said):
    with pytest.raises((WildPattern, re.error)):
        pattern_of(said)


def test_the_slowest_that_are_allowed_end_soon():
    patterns = [pattern_of(said) for said in ("a*b", "^a*a*b", "(a|aa)b", "a{1,99}b")]
    began = time.process_time()

    for number in range(100):
        assert not any(is_found(pattern, ("a" * 10_000 + str(number),)) for pattern in patterns)

    assert (
        time.process_time() - began < 10
    )  # 400 searches; of ``a*a*a*b`` each would take a tenth of a second
