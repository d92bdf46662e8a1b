"""Seeds of 64 bits, which JavaScript rounds, and 1.0, which it takes for 1: each arrives as it is."""

import ast
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.browser.conftest import Opening, entered, made

SEEDS = (18446744073709551615, 9007199254740993)
MODULE = "name => import(new URL(name, document.querySelector('script[type=module]').src))"
TEXTS = (
    *('{"seed":18446744073709551615,"low":-9007199254740993}', '["18446744073709551615",9007199254740993]'),
    *(r'["a \" 9007199254740993 \\",9007199254740993]', "[12345678901234567890123,9007199254740991,0.5]"),
    *('{"9007199254740993":[9007199254740993,{}]}', '["1234567890123456",null,true]'),
)
FLOATS = [1.0, -20.0, 0.0, 1e16, 1e22, 1.5, 1e-7, 1, 18446744073709551615, "1.0", '"1e16"', {"2.0": [3.0]}]
VALUES: tuple[Any, ...] = (
    "a true story of null island",
    "it's \"quoted\" \\ and 'so' '''on'''\n\t{x} false",
    {"null": [True, False, None, 1, -2.5, 1e30, {}, []], "\u2028é": "\U0001f600\x00\x7f"},
    *SEEDS,
    FLOATS,
)


async def graph_of(guest: httpx.AsyncClient, seed: int) -> dict[str, Any]:
    """The demo's graph, made quick, with a seed in it."""
    graph: dict[str, Any] = (await guest.get("/workflows/text-to-image")).json()["workflow"]
    quick = {"seed": seed, "steps": 1, "width": 64, "height": 64}
    for node in graph.values():
        node["inputs"].update({name: value for name, value in quick.items() if name in node["inputs"]})
    return graph


def seeds_in(graph: dict[str, Any]) -> list[Any]:
    return [node["inputs"]["seed"] for node in graph.values() if "seed" in node["inputs"]]


async def seeds_that_ran(guest: httpx.AsyncClient) -> list[Any]:
    """The seeds in the graphs of this key's jobs, as the service has them."""
    jobs = (await guest.get("/jobs")).json()["jobs"]
    graphs = [(await guest.get(f"/jobs/{job['id']}/workflow")).json()["workflow"] for job in jobs]
    return [seed for graph in graphs for seed in seeds_in(graph)]


async def ran(page: Any) -> None:
    """Press Run, and wait until the page watches that job's end."""
    async with page.expect_response(lambda answer: answer.url.endswith("/jobs?version=1")) as told:
        await page.get_by_role("button", name="Run", exact=True).click()
    job = (await (await told.value).json())["id"]
    await page.evaluate("(hash) => { location.hash = hash; }", f"#/job/{job}")
    await page.locator("main .story").get_by_text("Succeeded.").wait_for()


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_graph_s_seed_stays_exact_when_it_is_registered_and_run_again(
    opened: Opening, guest: httpx.AsyncClient, seed: int
) -> None:
    body = {"workflow": await graph_of(guest, seed)}
    job = (await guest.post("/jobs?wait=60", json=body)).json()
    name = f"seed-{seed}"

    async with entered(opened, guest, f"job/{job['id']}") as page:
        await page.get_by_role("button", name="Run again with these").click()
        await page.get_by_text("Can run it").first.wait_for()
        await page.locator("#reg-name").fill(name)
        await page.get_by_role("button", name="Register ").click()
        await page.locator("form.form").wait_for()
        registered = (await guest.get(f"/workflows/{name}")).json()
        await page.get_by_label("Seed", exact=True).fill(str(seed))
        await page.reload()
        await page.locator("form.form").wait_for()
        assert await page.get_by_label("Seed", exact=True).input_value() == str(seed)
        await ran(page)
        await page.get_by_role("button", name="Run again with these").click()
        await page.locator("form.form").wait_for()
        assert await page.get_by_label("Seed", exact=True).input_value() == str(seed)
        await ran(page)
    seeds = await seeds_that_ran(guest)
    await guest.delete(f"/workflows/{name}")

    assert seeds_in(registered["workflow"]) == [seed]
    assert registered["parameters"]["seed"]["default"] == seed
    assert seeds == [seed] * 3


async def test_several_seeds_from_a_large_one_on_are_exact(opened: Opening, guest: httpx.AsyncClient) -> None:
    first = SEEDS[1]
    async with entered(opened, guest, "run/text-to-image") as page:
        await page.get_by_label("Steps, as a number").fill("1")
        await page.get_by_label("Seed", exact=True).fill(str(first))
        await page.get_by_text("Several seeds", exact=True).click()
        await page.get_by_role("button", name="Run 4 prompts").click()
        await page.locator(".strip a").nth(3).wait_for()

    assert sorted(await seeds_that_ran(guest)) == [first + more for more in range(4)]


async def test_json_keeps_every_digit_and_every_text(opened: Opening, guest: httpx.AsyncClient) -> None:
    script = f"""async texts => {{ const {{ fromJson, toJson }} = await ({MODULE})('numbers.js');
        return texts.map((text) => toJson(fromJson(text))); }}"""
    async with entered(opened, guest, "run/text-to-image") as page:
        assert await page.evaluate(script, TEXTS) == list(TEXTS)


async def test_json_keeps_floats_where_that_is_asked_for(opened: Opening, guest: httpx.AsyncClient) -> None:
    script = f"""async text => {{ const {{ fromJson, toJson }} = await ({MODULE})('numbers.js');
        const {{ fromJsonWithFloats }} = await ({MODULE})('floats.js');
        return [toJson(fromJsonWithFloats(text)), typeof fromJson(text)[0]]; }}"""
    async with entered(opened, guest, "run/text-to-image") as page:
        kept, kind = await page.evaluate(script, json.dumps(FLOATS))

    assert repr(json.loads(kept)) == repr(FLOATS)
    assert kind == "number"


async def test_a_graph_s_floats_stay_floats_when_it_is_registered_and_run(
    opened: Opening, guest: httpx.AsyncClient, tmp_path: Path
) -> None:
    """A node that takes anything, or a list of values, may tell 1.0 from 1."""
    graph = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
        "2": {
            "class_type": "ImageScaleBy",
            "inputs": {"image": ["1", 0], "upscale_method": "area", "scale_by": 1.0},
        },
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
        "4": {"class_type": "PreviewAny", "inputs": {"source": {"__value__": FLOATS}}},
    }
    file = tmp_path / "floats.json"
    file.write_text(json.dumps(graph), encoding="utf-8")

    async with entered(opened, guest, "register") as page:
        await page.locator("input[type=file]").set_input_files(file)
        await page.get_by_text("Can run it").first.wait_for()
        await page.get_by_role("button", name="Register ").click()
        await page.locator("form.form").wait_for()
        await ran(page)
    registered = (await guest.get("/workflows/floats")).json()
    job = (await guest.get("/jobs")).json()["jobs"][0]
    that_ran = (await guest.get(f"/jobs/{job['id']}/workflow")).json()["workflow"]
    await guest.delete("/workflows/floats")

    assert repr(registered["parameters"]["scale"]["default"]) == "1.0"
    for found in (registered["workflow"], that_ran):
        assert repr(found["2"]["inputs"]["scale_by"]) == "1.0"
        assert repr(found["4"]["inputs"]["source"]["__value__"]) == repr(FLOATS)


async def test_values_are_python_s_own_words(opened: Opening, guest: httpx.AsyncClient) -> None:
    script = f"""async texts => {{ const {{ fromJsonWithFloats }} = await ({MODULE})('floats.js');
        const {{ python }} = await ({MODULE})('python.js');
        return texts.map((text) => python(fromJsonWithFloats(text))); }}"""
    async with entered(opened, guest, "run/text-to-image") as page:
        written = await page.evaluate(script, [json.dumps(value) for value in VALUES])

    assert repr([ast.literal_eval(text) for text in written]) == repr(list(VALUES))


class Posted:
    """What the copied program sends, in place of the network."""

    def __init__(self) -> None:
        self.sent: Any = None

    def __call__(self, url: str, *, json: Any, **options: Any) -> httpx.Response:
        self.sent = json
        return httpx.Response(200, json={"outputs": []})


async def test_the_call_that_is_copied_as_python_has_the_job_s_inputs(
    opened: Opening, guest: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await made(guest, prompt=f"{VALUES[0]}\n{VALUES[1]}", seed=SEEDS[0])
    async with entered(opened, guest, f"job/{job['id']}") as page:
        await page.get_by_text("Python", exact=True).click()
        program = await page.locator("pre.code").inner_text()
    posted = Posted()
    monkeypatch.setattr(httpx, "post", posted)
    monkeypatch.setenv("COMFYWIRE_KEY", "a key")

    exec(compile(program, "copied", "exec"), {})

    assert posted.sent == {"inputs": job["inputs"]}
    assert posted.sent["inputs"]["seed"] == SEEDS[0]
