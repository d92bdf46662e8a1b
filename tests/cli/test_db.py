from pathlib import Path

import pytest

pytest.importorskip("procrastinate", reason="the job service needs the extra 'service'")

from comfywire.cli.main import main


@pytest.fixture
def upgraded(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    assert main(["db", "upgrade", "--data", str(tmp_path)]) == 0
    return tmp_path


def test_upgrade_says_each_step_that_it_took(upgraded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = capfd.readouterr().out

    assert "done: procrastinate schema\n" in out
    assert "done: 0001_initial.sql\n" in out


def test_upgrade_has_nothing_to_do_the_second_time(upgraded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()

    assert main(["db", "upgrade", "--data", str(upgraded)]) == 0

    assert capfd.readouterr().out == "the schema is up to date; no steps were missing\n"


def test_a_database_that_is_not_there_is_one_line(
    unused_tcp_port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    url = f"postgresql://127.0.0.1:{unused_tcp_port}/none"

    assert main(["db", "upgrade", "--database-url", url]) == 2

    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("comfywire: the database of --database-url is not to be reached: ")
