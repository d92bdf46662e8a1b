import click
import pytest

from comfywire.cli.durations import duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("30m", 1800), ("12h", 43200), ("7d", 604800), ("4w", 2419200), ("1.5h", 5400)],
)
def test_lengths_of_time_are_typed_with_a_unit(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "7", "d", "0s", "-1h", "1y", "1h30m", "\N{ARABIC-INDIC DIGIT ONE}h", "1e9d", "9999999w"]
)
def test_anything_else_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(click.BadParameter, match="write 45s, 30m, 12h, 7d or 4w"):
        duration(text)
