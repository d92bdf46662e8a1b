"""What real servers answered to 636 prompts, most of them wrong, beside what we say before sending.

mistakes/VERSION.jsonl.gz holds the prompts and the answers of ComfyUI 0.3.64 and 0.33.0, without tracebacks
and input configurations; object_info-VERSION.json.gz what those servers said about the classes in them;
unstable-VERSION.json the answers that change from one start of the server to the next, since it walks sets
and an exception ends its walk, with all that were seen.
"""

import gzip
import json
from pathlib import Path

import pytest

from comfywire.workflow.object_info import ObjectInfo
from comfywire.workflow.validation.problems import Effect
from comfywire.workflow.validation.validate import validate

FOLDER = Path(__file__).parent / "mistakes"
VERSIONS = ["0.3.64", "0.33.0"]
# What stood in the servers' folders; the empty name and "sub" are folders, which exist as well.
FILES = {
    "", "sub", "example.png", "notes.txt", "clip.mp4", "tone.wav", "one.latent", "sub/inside.png",
    "made_00001_.png [output]",
}  # fmt: skip
# What /object_info does not tell: the test pack's own VALIDATE_INPUTS, and which old classes are replaced.
UNKNOWABLE = {
    "pack_union_mask", "pack_union_int", "pack_validate_literal_wrong", "pack_validate_types_mask",
    "pack_validate_types_int", "pack_validate_needs_both", "pack_validate_kwargs_skips_limits",
    "pack_validate_kwargs_refuses", "pack_validate_kwargs_missing_key", "class_replaced_with_meta",
}  # fmt: skip


def has_file(name: str) -> bool:
    return name.removesuffix(" [input]") in FILES


def read(version: str) -> list[dict]:
    return [json.loads(line) for line in gzip.open(FOLDER / f"{version}.jsonl.gz")]


def rows(version: str, *, are_stable: bool) -> list[dict]:
    unstable = json.loads((FOLDER / f"unstable-{version}.json").read_text())
    return [
        row
        for row in read(version)
        if (row["name"] in unstable) is not are_stable
        and row["name"] not in UNKNOWABLE
        and isinstance(row["prompt"], dict)
    ]


@pytest.fixture(scope="module")
def object_infos():
    return {
        version: ObjectInfo(json.load(gzip.open(FOLDER / f"object_info-{version}.json.gz")))
        for version in VERSIONS
    }


def ask(row: dict, version: str, object_infos: dict) -> list:
    targets = row.get("partial_execution_targets")
    return validate(row["prompt"], object_infos[version], version=version, targets=targets, has_file=has_file)


def told(reply: dict) -> set[tuple]:
    """Return (node, type, input) of the server's errors; an exception's input is another node's."""
    errors = {
        (
            node_id,
            error["type"],
            error["extra_info"].get("input_name") if "exception" not in error["type"] else None,
        )
        for node_id, node in reply.get("node_errors", {}).items()
        for error in node["errors"]
    }
    top = reply.get("error") or {"type": "prompt_outputs_failed_validation"}
    if top["type"] != "prompt_outputs_failed_validation":
        errors.add((top["details"].partition("#")[2].rstrip("'") or None, top["type"], None))
    return errors


def found(problems: list) -> set[tuple]:
    return {
        (problem.node_id, problem.type, None if "exception" in problem.type else problem.input)
        for problem in problems
        if problem.is_reported
    }


def is_refused(problems: list) -> bool:
    return any(problem.effect is Effect.REFUSED for problem in problems)


@pytest.mark.parametrize("version", VERSIONS)
def test_there_are_hundreds_of_mistakes_to_compare(version):
    assert len(rows(version, are_stable=True)) > 600


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_server_refuses_is_refused_before_it_is_sent(version, object_infos):
    differing = [
        row["name"]
        for row in rows(version, are_stable=True) + rows(version, are_stable=False)
        if is_refused(ask(row, version, object_infos)) is (row["status"] == 200)
    ]

    assert differing == []


@pytest.mark.parametrize("version", VERSIONS)
def test_the_same_errors_are_found_as_the_server_reports(version, object_infos):
    differing = {
        row["name"]: found(ask(row, version, object_infos)) ^ told(row["reply"])
        for row in rows(version, are_stable=True)
        if row["status"] != 500 and found(ask(row, version, object_infos)) != told(row["reply"])
    }

    assert differing == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_each_problem_names_the_outputs_that_the_server_drops_for_it(version, object_infos):
    missing = {
        row["name"]: {*node["dependent_outputs"]} - outputs
        for row in rows(version, are_stable=True)
        if row["status"] == 200
        for node_id, node in row["reply"]["node_errors"].items()
        for outputs in [
            {
                output
                for problem in ask(row, version, object_infos)
                if problem.node_id == node_id
                for output in problem.outputs
            }
        ]
        if not outputs <= {*node["dependent_outputs"]}
    }

    assert missing == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_whatever_an_unstable_server_may_say_is_found(version, object_infos):
    unstable = json.loads((FOLDER / f"unstable-{version}.json").read_text())

    overlooked = {
        row["name"]: nodes
        for row in rows(version, are_stable=False)
        for _, _, errors in unstable[row["name"]]
        if (
            nodes := {error[0] for error in errors}
            - {each.node_id for each in ask(row, version, object_infos)}
        )
    }

    assert overlooked == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_sentence_is_one_line_that_names_its_node(version, object_infos):
    odd = [
        problem.sentence
        for row in read(version)
        if isinstance(row["prompt"], dict)
        for problem in ask(row, version, object_infos)
        if "\n" in problem.sentence
        or not (problem.node_id is None or problem.sentence.startswith(f"node {problem.node_id} "))
    ]

    assert odd == []
