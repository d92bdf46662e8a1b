import base64
import io
import json
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import jsonschema
import pytest
from PIL import Image
from tests.service.flows.conftest import COLOUR, DRAW, SCALE, register

from comfywire.service.fleet.registry import Registry
from comfywire.service.jobs.states import JobState
from comfywire.workflow.catalogues.packaged import packaged


def png(size: int = 8) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (size, size), "red").save(content, "PNG")
    return content.getvalue()


PNG = png()


@pytest.fixture
async def upscale(http):
    return await register(http, "upscale", SCALE, description="Larger.")


@pytest.fixture
async def draw(http):
    return await register(http, "draw", DRAW, parameters=COLOUR)


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_registered_workflow_is_described(http, upscale):
    found = (await http.get("/api/v2/workflows/upscale")).json()

    assert found == upscale
    assert (found["version"], found["description"], found["workflow"]) == (1, "Larger.", SCALE)
    assert found["parameters"]["scale"]["type"] == "float"
    jsonschema.Draft202012Validator.check_schema(found["inputs_schema"])


async def test_the_list_tells_without_the_graphs(http, upscale, draw):
    listed = (await http.get("/api/v2/workflows")).json()["workflows"]

    assert [(one["name"], "workflow" in one) for one in listed] == [("draw", False), ("upscale", False)]


async def test_versions_are_kept(http, draw):
    await register(http, "draw", DRAW, parameters=COLOUR, description="newer")

    versions = (await http.get("/api/v2/workflows/draw/versions")).json()["workflows"]
    first = (await http.get("/api/v2/workflows/draw", params={"version": 1})).json()

    assert ([one["version"] for one in versions], first["description"]) == ([2, 1], "")


async def test_a_removed_workflow_is_not_found(http, draw):
    assert (await http.delete("/api/v2/workflows/draw")).status_code == 204
    assert error_of(await http.get("/api/v2/workflows/draw")) == (404, "not_found")


@pytest.mark.parametrize("name", ["nothing", "a%01b", "ä", "x" * 300])
async def test_a_workflow_that_never_was_is_not_found(http, name):
    assert error_of(await http.get(f"/api/v2/workflows/{name}")) == (404, "not_found")
    assert error_of(await http.delete(f"/api/v2/workflows/{name}")) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param({"workflow": {}}, "invalid_workflow", id="empty"),
        pytest.param({"workflow": {"1": 5}}, "invalid_workflow", id="no-graph"),
        pytest.param(
            {"workflow": DRAW, "parameters": {"x": {"inputs": ["9.x"]}}}, "invalid_workflow", id="node"
        ),
        pytest.param({"workflow": DRAW, "parameters": {"x": 5}}, "invalid_input", id="parameter"),
        pytest.param({"workflow": DRAW, "outputs": {"x": ["7"]}}, "invalid_workflow", id="output"),
        pytest.param({"workflow": DRAW, "priority": 5}, "invalid_request", id="unknown-field"),
        pytest.param({"workflow": DRAW, "options": {"priority": 50}}, "invalid_request", id="priority"),
    ],
)
async def test_what_cannot_be_registered_is_refused(http, body, code):
    assert error_of(await http.put("/api/v2/workflows/draw", json=body)) == (422, code)


async def test_a_job_is_queued(http, core, draw):
    body = {"inputs": {"color": 255}, "metadata": {"for": "me"}, "priority": 3}

    answer = await http.post("/api/v2/workflows/draw/jobs", json=body)

    job = answer.json()
    assert (answer.status_code, job["status"], job["metadata"], job["priority"]) == (
        201,
        "queued",
        {"for": "me"},
        3,
    )
    assert (job["workflow_name"], job["workflow_version"]) == ("draw", 1)
    prompt, _ = await core.store.graph(uuid.UUID(job["id"]))
    assert prompt["1"]["inputs"]["color"] == 255


async def test_jobs_have_the_options_of_their_workflow(http, core):
    options = {"priority": 7, "retry": {"lost": False}, "tags": ["large"], "outputs": ["2"]}
    await register(http, "draw", DRAW, parameters=COLOUR, options=options)

    job = (await http.post("/api/v2/workflows/draw/jobs", json={"tags": ["video"]})).json()

    found = await core.database.one(
        "SELECT targets, requirement FROM jobs JOIN needs USING (need) WHERE id = %(id)s", id=job["id"]
    )
    assert (job["priority"], job["retry"]["lost"]) == (7, False)
    assert (found["targets"], found["requirement"]["tags"]) == (["2"], ["large", "video"])


async def test_a_version_can_be_asked_for(http, draw):
    await register(http, "draw", DRAW, parameters=COLOUR, description="newer")

    job = (await http.post("/api/v2/workflows/draw/jobs", params={"version": 1}, json={})).json()

    assert job["workflow_version"] == 1


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"color": -1}, "0 is the smallest allowed"),
        ({"colour": 1}, "did you mean 'color'"),
        ({"1.width": 5}, "no parameter '1.width'"),
    ],
    ids=["range", "misspelt", "undeclared"],
)
async def test_an_input_that_does_not_fit_is_refused(http, draw, inputs, words):
    answer = await http.post("/api/v2/workflows/draw/jobs", json={"inputs": inputs})

    assert error_of(answer) == (422, "invalid_input")
    assert words in answer.json()["error"]["message"]


async def test_a_request_that_comes_again_gets_the_first_answer(http, draw):
    request = {"json": {"inputs": {"color": 1}}, "headers": {"Idempotency-Key": "k"}}

    first = await http.post("/api/v2/workflows/draw/jobs", **request)
    again = await http.post("/api/v2/workflows/draw/jobs", **request)

    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (
        None,
        "true",
    )


async def test_waiting_gives_the_finished_job(http, comfyui, draw):
    answer = await http.post(
        "/api/v2/workflows/draw/jobs", params={"wait": 60}, json={"inputs": {"color": 255}}
    )

    job = answer.json()
    content = (await http.get(job["outputs"][0]["url"])).content
    assert (answer.status_code, job["status"]) == (200, "succeeded")
    assert Image.open(io.BytesIO(content)).getpixel((0, 0)) == (0, 0, 255)


async def test_waiting_says_by_its_status_that_a_job_failed(http, comfyui):
    failing = {**DRAW, "3": {"class_type": "TestSyncError", "inputs": {"value": ["1", 0]}}}
    failing["2"] = {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}}
    await register(http, "fail", failing)

    answer = await http.post("/api/v2/workflows/fail/jobs", params={"wait": 60}, json={})

    assert (answer.status_code, answer.json()["status"]) == (424, "failed")


async def test_waiting_in_vain_leaves_the_job_where_it_is(http, core, draw):
    answer = await http.post("/api/v2/workflows/draw/jobs", params={"wait": 0.1}, json={})

    job = await core.store.get(uuid.UUID(answer.json()["id"]))
    assert (answer.status_code, answer.json()["status"], job.state) == (202, "queued", JobState.QUEUED)


async def test_waiting_in_vain_says_why_as_the_job_itself_does(http, core, draw):
    answer = await http.post("/api/v2/workflows/draw/jobs", params={"wait": 0.1}, json={})

    job = (await http.get(answer.json()["urls"]["self"])).json()
    assert (answer.json()["waiting_reason"], job["waiting_reason"]) == ("no server is connected",) * 2


async def test_waiting_for_a_job_that_is_canceled_says_that_it_is_gone(http, core, draw):
    request = {"json": {}, "headers": {"Idempotency-Key": "k"}}
    first = await http.post("/api/v2/workflows/draw/jobs", **request)
    await core.store.cancel(uuid.UUID(first.json()["id"]))

    again = await http.post("/api/v2/workflows/draw/jobs", params={"wait": 60}, **request)

    assert (again.status_code, again.json()["status"]) == (410, "canceled")


async def asset_of(http) -> str:
    form = {"content_type": "image/png", "file_path": "red.png"}
    uploaded = await http.post("/api/v2/assets", data=form, files={"file": ("red.png", PNG, "image/png")})
    return str(uploaded.json()["id"])


class _Files(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(PNG)))
        self.end_headers()
        self.wfile.write(PNG)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def picture_url():
    """A picture on somebody's web server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/red.png"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("form", ["object", "id", "name", "url", "data", "base64"])
async def test_a_picture_comes_in_every_form(http, comfyui, upscale, picture_url, form):
    encoded = base64.b64encode(PNG).decode()
    forms = {"url": picture_url, "data": f"data:image/png;base64,{encoded}", "base64": encoded}
    if form in ("object", "id", "name"):
        asset_id = await asset_of(http)
        forms |= {
            "id": asset_id,
            "name": "red.png",
            "object": {"__type": "core/ASSET", "info": {"id": asset_id}},
        }

    body = {"inputs": {"image": forms[form], "scale": 4}}
    answer = await http.post("/api/v2/workflows/upscale/jobs", params={"wait": 60}, json=body)

    assert answer.json()["error"] is None
    content = (await http.get(answer.json()["outputs"][0]["url"])).content
    assert Image.open(io.BytesIO(content)).size == (32, 32)


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (5, "invalid_input"),
        ("", "invalid_input"),
        ("mine.png", "invalid_input"),
        ("data:text/html;base64,AAAA", "invalid_input"),
        (str(uuid.uuid4()), "missing_asset"),
        ({"__type": "core/ASSET", "info": {}}, "missing_asset"),
    ],
    ids=["number", "empty", "name-on-the-server", "no-picture", "unknown-asset", "no-id"],
)
async def test_what_is_no_picture_is_refused(http, upscale, picture, code):
    answer = await http.post("/api/v2/workflows/upscale/jobs", json={"inputs": {"image": picture}})

    assert error_of(answer) == (422, code)
    assert code == "missing_asset" or "parameter 'image'" in answer.json()["error"]["message"]


async def test_nothing_is_fetched_when_another_input_is_wrong(http, core, upscale, picture_url):
    body = {"inputs": {"image": picture_url, "scale": "much"}}

    await http.post("/api/v2/workflows/upscale/jobs", json=body)

    assert (await core.database.one("SELECT count(*) AS count FROM assets"))["count"] == 0


async def test_another_keys_asset_is_missing(http, core, upscale):
    asset_id = await asset_of(http)
    await core.database.do(
        "WITH other AS (INSERT INTO keys (name, prefix, scopes) VALUES ('o', '', '{}') RETURNING id) "
        "UPDATE assets SET key_id = other.id FROM other"
    )

    answer = await http.post("/api/v2/workflows/upscale/jobs", json={"inputs": {"image": asset_id}})

    assert error_of(answer) == (422, "missing_asset")


async def test_the_openapi_document_has_a_typed_route_for_every_workflow(http, upscale):
    before = (await http.get("/api/v2/openapi.json")).json()
    await register(http, "draw", DRAW, parameters=COLOUR)

    after = (await http.get("/api/v2/openapi.json")).json()

    assert "/api/v2/workflows/draw/jobs" not in before["paths"]
    assert "/api/v2/workflows/draw/jobs" in after["paths"]
    assert after["components"]["schemas"]["Inputs_draw"]["properties"]["color"]["maximum"] == 0xFFFFFF


async def test_the_documents_schema_of_a_workflow_accepts_what_the_route_takes(http, draw):
    document = (await http.get("/api/v2/openapi.json")).json()
    post = document["paths"]["/api/v2/workflows/draw/jobs"]["post"]
    schema = {
        **post["requestBody"]["content"]["application/json"]["schema"],
        "components": document["components"],
    }
    validator = jsonschema.Draft202012Validator(schema)

    assert validator.is_valid({"inputs": {"color": 5}})
    assert not validator.is_valid({"inputs": {"color": -5}})
    assert "path" not in json.dumps(post["parameters"])


async def test_removed_workflows_leave_the_document(http, draw):
    await http.delete("/api/v2/workflows/draw")

    document = (await http.get("/api/v2/openapi.json")).json()

    assert "/api/v2/workflows/draw/jobs" not in document["paths"]


async def test_metrics_are_served_as_text(http, draw):
    await http.post("/api/v2/workflows/draw/jobs", json={})

    answer = await http.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    assert 'comfywire_jobs{priority="0",state="queued"} 1.0' in answer.text


EDITED = {
    "version": 0.4,
    "last_node_id": 2,
    "last_link_id": 1,
    "nodes": [
        {
            "id": 1,
            "type": "OwnPicture",
            "pos": [0, 0],
            "mode": 0,
            "inputs": [],
            "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1], "slot_index": 0}],
            "widgets_values": [7],
        },
        {
            "id": 2,
            "type": "PreviewImage",
            "pos": [0, 0],
            "mode": 0,
            "inputs": [{"name": "images", "type": "IMAGE", "link": 1}],
            "outputs": [],
            "widgets_values": [],
        },
    ],
    "links": [[1, 1, 0, 2, 0, "IMAGE"]],
}
OWN_PICTURE = {
    "input": {"required": {"brightness": ["INT", {"default": 1, "min": 0, "max": 9}]}},
    "output": ["IMAGE"],
    "output_name": ["IMAGE"],
    "output_is_list": [False],
    "name": "OwnPicture",
    "display_name": "OwnPicture",
    "output_node": False,
}


@pytest.mark.parametrize(("version", "text"), [("0.33.0", 40), ("0.34.1", "40"), (None, 40)])
async def test_the_editors_document_is_read_as_the_servers_front_end_does(http, core, version, text):
    digest = await Registry(core.database).keep_catalogue(packaged().raw)
    insert = (
        "INSERT INTO servers (url, state, catalogue, version) VALUES ('a', 'up', %(digest)s, %(version)s)"
    )
    await core.database.do(insert, digest=digest, version=version)
    encode = {"id": 6, "type": "CLIPTextEncode", "mode": 0, "widgets_values": [40], "inputs": []}
    save = {"id": 9, "type": "SaveImage", "mode": 0, "widgets_values": ["x"], "inputs": []}

    found = await register(http, "own", {"nodes": [encode, save], "links": [], "version": 0.4})

    assert found["workflow"]["6"]["inputs"]["text"] == text


async def test_the_editors_document_is_read_by_what_the_servers_have(http, core):
    registry = Registry(core.database)
    digest = await registry.keep_catalogue({**packaged().raw, "OwnPicture": OWN_PICTURE})
    await core.database.do(
        "INSERT INTO servers (url, state, catalogue) VALUES ('http://a', 'up', %(digest)s)", digest=digest
    )

    found = await register(http, "own", EDITED)

    assert found["workflow"]["1"]["inputs"] == {"brightness": 7}
    assert found["document"] == EDITED
