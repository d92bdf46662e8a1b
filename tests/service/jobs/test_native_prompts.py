"""Jobs of ComfyUI's own API in the database, and the names that their files have there."""

import uuid
from typing import Any

import pytest
from tests.service.making import claimed, job

from comfywire.service.database.pool import Database
from comfywire.service.jobs.native_names import place_of, shown_output
from comfywire.service.jobs.records import NativePrompt
from comfywire.service.jobs.store import Store

JOB = uuid.UUID("00000000-0000-4000-8000-000000000001")


async def kept(database: Database, job_id: uuid.UUID) -> dict[str, Any]:
    found = await database.one("SELECT * FROM native_prompts WHERE job_id = %(job_id)s", job_id=job_id)
    assert found is not None
    return found


async def test_a_native_prompt_is_recorded_with_its_job(
    store: Store, database: Database, key_id: uuid.UUID
) -> None:
    native = NativePrompt(["9"], client_id="me", node_errors={"3": {}})

    extra_data = {"extra_pnginfo": {"workflow": {"id": 1}}}
    record = await store.submit(job(key_id, native=native, extra_data=extra_data))

    row = await kept(database, record.id)
    assert (row["client_id"], row["outputs"], row["node_errors"]) == ("me", ["9"], {"3": {}})
    assert row["number"] == record.number
    assert (await store.graph(record.id))[1] == {"id": 1}
    claim = await claimed(store)
    assert (claim.is_native, claim.extra_data) == (True, extra_data)


async def test_a_job_of_another_face_is_no_native_prompt(
    store: Store, database: Database, key_id: uuid.UUID
) -> None:
    record = await store.submit(job(key_id))

    assert await database.all("SELECT FROM native_prompts") == []
    assert record.number is None
    assert not (await claimed(store)).is_native


async def test_numbers_count_up_in_front_they_are_negative_and_ones_own_uses_none_up(
    store: Store, key_id: uuid.UUID
) -> None:
    async def number(**said: Any) -> float | None:
        return (await store.submit(job(key_id, native=NativePrompt((), **said)))).number

    first = await number()
    assert first is not None
    assert await number(is_front=True) == -(first + 1)
    assert await number(number=-7.5) == -7.5
    assert await number() == first + 2


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        (
            {"images": [{"filename": "a.png", "subfolder": "", "type": "output"}], "animated": [False]},
            {"images": [{"filename": "a.png", "subfolder": str(JOB), "type": "output"}], "animated": [False]},
        ),
        (
            {"gifs": [{"filename": "a.mp4", "subfolder": "x\\y", "type": "temp", "format": "mp4"}]},
            {
                "gifs": [
                    {
                        "filename": "a.mp4",
                        "subfolder": f"{JOB}/x/y",
                        "type": "temp",
                        "format": "mp4",
                    }
                ]
            },
        ),
        ({"text": ["a.png"]}, {"text": ["a.png"]}),
        ({"result": ["3d/a.glb [output]", None, {}]}, {"result": [f"{JOB}/3d/a.glb [output]", None, {}]}),
        ({"odd": 7}, {"odd": 7}),
    ],
)
def test_names_of_files_carry_their_job(shown: dict[str, Any], told: dict[str, Any]) -> None:
    assert shown_output(JOB, shown) == told


def test_a_jobs_own_folder_shows_nowhere() -> None:
    folder = "cw" + "0a" * 15
    shown = {"images": [{"filename": "a.png", "subfolder": f"{folder}/x", "type": "output"}]}

    (image,) = shown_output(JOB, shown, has_folder=True)["images"]

    assert image["subfolder"] == f"{JOB}/x"


@pytest.mark.parametrize(
    ("subfolder", "filename", "place"),
    [
        (str(JOB), "a.png", (JOB, "a.png")),
        (f"{JOB}/x/y", "a.png", (JOB, "x/y/a.png")),
        (f"{JOB}\\x", "a.png", (JOB, "x/a.png")),
        ("x", "a.png", None),
        ("", "a.png", None),
    ],
)
def test_a_name_that_was_told_leads_back(subfolder: str, filename: str, place: Any) -> None:
    assert place_of(subfolder, filename) == place
