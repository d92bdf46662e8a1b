"""Test a program of your own against the test server: `pytest examples/test_my_app.py`."""

import pytest

import comfywire
from comfywire.server import Faults, Server

PICTURE = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "blue"}},
}


def make_picture(url: str) -> bytes:  # your own program
    with comfywire.sync.Client(url) as client:
        return client.run(PICTURE, timeout=20).outputs[0].read()


def test_a_lost_reply_runs_nothing_twice(comfyui: Server, comfyui_faults: Faults) -> None:
    comfyui_faults.replies.drop("POST /prompt", when="after")
    assert make_picture(comfyui.url).startswith(b"\x89PNG")
    assert len(comfyui.log) == 1


def test_a_node_that_raises_is_named(comfyui: Server, comfyui_faults: Faults) -> None:
    comfyui_faults.nodes.fail("out of paint", class_type="SaveImage")
    with pytest.raises(comfywire.JobFailed, match=r"node 2 \(SaveImage\) raised .*out of paint"):
        make_picture(comfyui.url)
