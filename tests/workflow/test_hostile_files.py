"""No file, however damaged, gives anything but a workflow or a sentence."""

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comfywire.errors import UnreadableWorkflow
from comfywire.workflow.metadata.find import _FORMATS, Format, find_in_file, format_of

FILES = Path(__file__).parent / "files"
NAMES = sorted(
    path.name for path in FILES.iterdir() if path.suffix not in {".py", ".md", ".pyc"} and path.is_file()
)
ODD = [b"", b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1", b"\1\0\0\0", b"[" * 200]
EDITS = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, 12), st.sampled_from(ODD) | st.binary(max_size=8))
)


def damage(content: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for place, length, replacement in edits:
        start = place % (len(content) + 1)
        content = content[:start] + replacement + content[start + length :]
    return content


def is_answered(content: bytes, known: Format | None) -> bool:
    assert known is not None
    try:
        found = find_in_file(io.BytesIO(content), known, where="it")
    except UnreadableWorkflow as error:
        return "\n" not in str(error)
    return bool(found.prompt or found.document)


@pytest.mark.parametrize("name", NAMES)
@given(edits=EDITS)
@settings(max_examples=25, deadline=30_000, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_file_gives_a_workflow_or_a_sentence(name, edits):
    whole = (FILES / name).read_bytes()
    known = format_of(whole)

    assert is_answered(damage(whole, edits), known)


def corpora() -> list[Path]:
    return sorted((Path(__file__).parent / "fuzz").glob("*.zip"))


@pytest.mark.parametrize("path", corpora(), ids=lambda path: path.stem)
def test_what_the_fuzzer_found_gives_a_workflow_or_a_sentence(path):
    known = next(each for each in _FORMATS if each.read.__name__ == path.stem)

    with zipfile.ZipFile(path) as corpus:
        unanswered = [name for name in corpus.namelist() if not is_answered(corpus.read(name), known)]

    assert unanswered == []


def test_every_reader_has_its_corpus():
    assert {path.stem for path in corpora()} == {known.read.__name__ for known in _FORMATS}


@pytest.mark.parametrize("name", NAMES)
@given(tail=st.binary(max_size=200))
@settings(max_examples=15, deadline=30_000)
def test_any_bytes_behind_a_files_first_give_a_workflow_or_a_sentence(name, tail):
    head = (FILES / name).read_bytes()[:40]
    known = format_of(head + bytes(4096))

    assert is_answered(head + tail, known or format_of((FILES / name).read_bytes()))
