import re
from typing import Any

import pytest

from comfywire.service.jobs.output_folders import FOLDER as PATTERN
from comfywire.service.jobs.output_folders import new_output_folder, prefixed, without_folders

FOLDER = "cw0123456789abcdef0123456789abcd"


def saving(**inputs: Any) -> dict[str, Any]:
    return {"2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], **inputs}}}


@pytest.mark.parametrize(
    ("prefix", "after"),
    [
        pytest.param("x", f"{FOLDER}/x", id="plain"),
        pytest.param("a/b/x", f"{FOLDER}/a/b/x", id="folders"),
        pytest.param("%year%/%date%", f"{FOLDER}/%year%/%date%", id="what-is-filled-in-stays"),
        pytest.param("a/../x", f"{FOLDER}/a/../x", id="up-and-down"),
        pytest.param("", f"{FOLDER}/", id="empty"),
        pytest.param("../x", "../x", id="up-out-of-it"),
        pytest.param("a\\..\\..\\x", "a\\..\\..\\x", id="up-out-of-it-on-windows"),
        pytest.param("/x", "/x", id="absolute"),
        pytest.param("C:\\x", "C:\\x", id="a-drive"),
        pytest.param(["5", 0], ["5", 0], id="what-another-node-makes"),
        pytest.param(3, 3, id="no-text"),
    ],
)
def test_a_prefix_has_the_folder_in_front_where_the_file_stays_below_it(prefix: Any, after: Any):
    assert prefixed(saving(filename_prefix=prefix), FOLDER) == saving(filename_prefix=after)


def test_other_inputs_stay_and_so_does_the_argument():
    before = saving(filename_prefix="x", name="filename_prefix") | saving()
    nested: dict[str, Any] = {
        "3": {"class_type": "SaveVideo", "inputs": {"format.filename_prefix": "y", "z": "q"}}
    }

    after = prefixed({**before, **nested}, FOLDER)

    assert after["2"] == saving()["2"]
    assert after["3"]["inputs"] == {"format.filename_prefix": f"{FOLDER}/y", "z": "q"}
    assert nested["3"]["inputs"]["format.filename_prefix"] == "y"


def test_without_a_folder_a_prompt_stays_as_it_is():
    prompt = saving(filename_prefix="x")

    assert prefixed(prompt, None) is prompt


def test_each_job_gets_another_folder_of_the_same_look():
    one, other = new_output_folder(), new_output_folder()

    assert one != other
    assert re.fullmatch(PATTERN, one)


def test_the_folder_is_taken_out_of_all_that_a_comfyui_says():
    said = {
        "text": [f"saved as /srv/output/{FOLDER}/a/x_00001_.png", 3, None],
        "windows": f"C:\\output\\{FOLDER}\\x.png and {{'C:\\\\output\\\\{FOLDER}\\\\x.png'}}",
        f"{FOLDER}/x": {"bare": FOLDER},
        "of an earlier job, cached": f"{new_output_folder()}/y.png",
    }

    assert without_folders(said) == {
        "text": ["saved as /srv/output/a/x_00001_.png", 3, None],
        "windows": "C:\\output\\x.png and {'C:\\\\output\\\\x.png'}",
        "x": {"bare": ""},
        "of an earlier job, cached": "y.png",
    }
