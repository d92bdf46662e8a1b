import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from comfywire.service.sealing import Sealer, Unsealable, WeakSecret, service_secrets

OLD, NEW = "an old secret of ours", "a new secret of ours"
CONTENT = {"api_key_comfy_org": "comfyui-SENTINEL", "nested": {"ü": [1, None]}}


def test_what_is_sealed_opens_as_it_was() -> None:
    sealer = Sealer(NEW)

    assert sealer.open(sealer.seal(CONTENT)) == CONTENT


def test_what_is_sealed_does_not_show_and_differs_each_time() -> None:
    sealer = Sealer(NEW)

    one, other = sealer.seal(CONTENT), sealer.seal(CONTENT)

    assert b"SENTINEL" not in one
    assert one != other


def test_a_replaced_secret_opens_while_it_is_given_after_the_new_one() -> None:
    sealed = Sealer(OLD).seal(CONTENT)

    assert Sealer([NEW, OLD]).open(sealed) == CONTENT


def test_the_first_secret_seals() -> None:
    sealed = Sealer([NEW, OLD]).seal(CONTENT)

    assert Sealer(NEW).open(sealed) == CONTENT


@pytest.mark.parametrize(
    "sealed", [Sealer(OLD).seal(CONTENT), b"rubbish", b""], ids=["old", "rubbish", "empty"]
)
def test_what_cannot_be_opened_is_said_without_showing_it(sealed: bytes) -> None:
    with pytest.raises(Unsealable, match="give the old one too") as raised:
        Sealer(NEW).open(sealed)

    assert OLD not in str(raised.value)


def test_a_sealer_does_not_show_its_secret() -> None:
    assert NEW not in repr(Sealer(NEW)) + str(Sealer(NEW))


def test_other_purposes_get_bytes_of_their_own() -> None:
    urls, cookies = Sealer(NEW).derived("urls"), Sealer(NEW).derived("cookies")

    assert len({urls, cookies, Sealer(OLD).derived("urls")}) == 3
    assert urls == Sealer([NEW, OLD]).derived("urls")
    assert len(urls) == 32


def test_the_secret_is_made_once_in_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "new" / "folder"

    (one,), (again,) = service_secrets(data, {}), service_secrets(data, {})

    assert one == again
    assert len(one) == 64
    assert stat.S_IMODE((data / "secret").stat().st_mode) == 0o600
    assert [path.name for path in data.iterdir()] == ["secret"]


def test_processes_that_start_at_once_share_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: service_secrets(tmp_path, {})[0], range(64)))

    assert len(set(found)) == 1


def test_the_variable_goes_before_the_file_and_holds_several(tmp_path: Path) -> None:
    assert service_secrets(tmp_path, {"COMFYWIRE_SECRET": f"{NEW}, {OLD},"}) == [NEW, OLD]
    assert list(tmp_path.iterdir()) == []


def test_a_secret_that_can_be_guessed_is_refused_without_showing_it(tmp_path: Path) -> None:
    with pytest.raises(WeakSecret) as raised:
        service_secrets(tmp_path, {"COMFYWIRE_SECRET": "hunter2"})

    assert "hunter2" not in str(raised.value)
