import click
import pytest

from comfywire.cli.durations import duration, running_time


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


def test_a_job_runs_for_30_days_at_most() -> None:
    assert running_time("30d") == 30 * 86400.0
    with pytest.raises(click.BadParameter, match="longer than 30 days"):
        running_time("31d")
