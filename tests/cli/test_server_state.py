from __future__ import annotations

import json

import pytest


def test_stats_show_version_and_memory(comfywire, server):
    rows = dict(line.split("\t") for line in comfywire("stats").out.splitlines())

    assert rows["comfyui_version"] == "0.3.64"
    assert rows["ram"].endswith("GiB free")


def test_stats_speak_the_servers_json(comfywire, server):
    assert json.loads(comfywire("stats", "--json").out)["system"]["comfyui_version"] == "0.3.64"


def test_models_list_folders(comfywire, server):
    assert "checkpoints" in comfywire("models").out.splitlines()


def test_models_of_a_folder_are_spelled_as_nodes_want_them(comfywire, server):
    assert comfywire("models", "checkpoints").out.startswith("comfywire-placeholder.safetensors\n")


def test_models_speak_json(comfywire, server):
    shown = json.loads(comfywire("models", "checkpoints", "--json").out)

    assert shown[0] == "comfywire-placeholder.safetensors"


@pytest.mark.parametrize("options", [[], ["--keep-models"]], ids=["models-too", "cache-only"])
def test_free_is_asked_for(comfywire, server, options):
    finished = comfywire("free", *options)

    assert (finished.status, server.requests["POST /free"]) == (0, 1)
