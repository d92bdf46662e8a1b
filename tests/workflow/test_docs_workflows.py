"""The examples of docs/workflows.md, run in order, print what the page says."""

import contextlib
import io
import json
import re
import shutil
from pathlib import Path

import comfywire.errors
from comfywire.workflow import Workflow
from comfywire.workflow.parameters.toml import parse_toml

PAGE = Path(__file__).parents[2] / "docs" / "workflows.md"
FILES = Path(__file__).parent / "files"
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
PROMPT = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 1, "steps": 20, "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal",
            "denoise": 1.0,
            "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "cat"}},
}  # fmt: skip
PROMPT["6"]["_meta"], PROMPT["7"]["_meta"] = {"title": "Positive"}, {"title": "Negative"}


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if found == language]


def test_the_examples_print_what_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("portrait.png").write_text(json.dumps(PROMPT), encoding="utf-8")  # what it is, its content says
    shutil.copy(FILES / "plain.png", "holiday.png")
    printed = io.StringIO()

    with contextlib.redirect_stdout(printed):
        exec(compile("\n".join(blocks("python")), PAGE.name, "exec"), {})

    expected = "".join(blocks("text"))
    pattern = ".*".join(re.escape(part) for part in expected.split("...\n"))
    assert re.fullmatch(pattern, printed.getvalue(), re.DOTALL), printed.getvalue()
    assert Path("portrait.params.toml").exists()


def test_the_parameters_on_the_page_can_be_read():
    [text] = blocks("toml")

    assert [*parse_toml(text).by_name] == ["prompt", "seed"]


def test_every_declaration_on_the_page_is_understood():
    declared = re.findall(r"`(\$[^`]+)`", PAGE.read_text(encoding="utf-8"))
    inputs = {"text": "x", "image": "a.png"}

    titles = [title for title in declared if not title.startswith("$output")]
    workflow = Workflow(
        {
            str(at): {"class_type": "X", "inputs": dict(inputs), "_meta": {"title": title}}
            for at, title in enumerate(titles)
        }
        | {"end": {"class_type": "Y", "inputs": {str(at): [str(at), 0] for at in range(len(titles))}}},
        object_info={},
    )

    assert {*workflow.parameters().by_name} == {"prompt", "photo", "final"}


def test_the_page_names_the_errors_that_it_shows():
    shown = re.findall(r"comfywire\.([A-Z]\w+)", PAGE.read_text(encoding="utf-8"))

    assert all(hasattr(comfywire.errors, name) for name in shown)
