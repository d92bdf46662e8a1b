from pathlib import Path

import pytest

from comfywire.service.assets.blob_files import make_folder


class MadeMeanwhile(type(Path())):  # type: ignore[misc]
    """A folder that another thread makes between the look whether it is there and what comes of that."""

    def is_dir(self) -> bool:
        was_there = Path(self).is_dir()
        Path(self).mkdir(parents=True, exist_ok=True)
        return was_there


def test_a_folder_that_another_makes_at_the_same_time_is_there(tmp_path: Path) -> None:
    make_folder(MadeMeanwhile(tmp_path / "blake3" / "9e"))

    assert (tmp_path / "blake3" / "9e").is_dir()


@pytest.mark.parametrize("below", [".", "9e", "9e/af"])
def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path, below: str) -> None:
    (tmp_path / "blake3").write_text("no folder")

    with pytest.raises(NotADirectoryError, match="blake3"):
        make_folder(tmp_path / "blake3" / below)
