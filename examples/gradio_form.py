"""A registered workflow as a form of Gradio, made of its schema: `python gradio_form.py NAME`."""

import io
import os
import sys

import gradio as gr  # type: ignore[import-not-found,unused-ignore]
import httpx
from PIL import Image

SERVICE, KEY = os.environ.get("COMFYWIRE_SERVICE", "http://127.0.0.1:8190"), os.environ.get("COMFYWIRE_KEY")
PATH = f"/api/v2/workflows/{sys.argv[1]}"
FIELDS = {"integer": gr.Number, "number": gr.Number, "boolean": gr.Checkbox}  # else words; a file is its URL
http = httpx.Client(base_url=SERVICE, headers={"Authorization": f"Bearer {KEY}"} if KEY else {}, timeout=310)
inputs = http.get(PATH).raise_for_status().json()["inputs_schema"]["properties"]


def field(name: str, about: dict) -> object:
    if "enum" in about:
        return gr.Dropdown(about["enum"], label=name, value=about.get("default"))
    return FIELDS.get(about.get("type", ""), gr.Textbox)(label=name, value=about.get("default"))


def run(*values: object) -> list[Image.Image]:
    given = {name: value for name, value in zip(inputs, values, strict=True) if value not in (None, "")}
    job = http.post(f"{PATH}/jobs?wait=300", json={"inputs": given}).raise_for_status().json()
    return [Image.open(io.BytesIO(http.get(output["url"]).content)) for output in job["outputs"]]


gr.Interface(run, [field(*each) for each in inputs.items()], gr.Gallery()).launch()
