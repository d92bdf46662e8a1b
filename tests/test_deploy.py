"""deploy/ cannot be run here, since there is no engine: it is held to the program that it starts."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from comfywire.cli.main import COMMANDS, comfywire_command

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
SERVICE = ROOT / "src" / "comfywire" / "service"


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in MANIFESTS:
        for document in documents(path):
            if document["kind"] in {"Deployment", "Job"}:
                yield document["metadata"]["name"], document["spec"]["template"]["spec"]


def containers() -> dict[str, dict[str, Any]]:
    return {name: pod["containers"][0] for name, pod in pods()}


def compose() -> dict[str, Any]:
    return documents(DEPLOY / "compose.yaml")[0]


def ours() -> dict[str, dict[str, Any]]:
    return {
        name: service for name, service in compose()["services"].items() if service["image"] == "comfywire"
    }


def dockerfile() -> str:
    return (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def command_lines() -> dict[str, list[str]]:
    found = {f"kubernetes {name}": container["args"] for name, container in containers().items()}
    found |= {f"compose {name}": service["command"] for name, service in ours().items()}
    last = re.findall(r"^CMD (\[.*\])$", dockerfile(), re.MULTILINE)[-1]
    return {**found, "Dockerfile": json.loads(last)}


def parsed(words: list[str]) -> click.Context:
    """The context of the subcommand that ``words`` call; click checks every option and value."""
    command: click.Command = comfywire_command
    # With its settings: click keeps the --help of the first context for all that follow.
    context, words = click.Context(command, info_name="comfywire", **command.context_settings), list(words)
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no command {words[0]!r}"
        command, words = found, words[1:]
    return command.make_context(command.name, words, parent=context)


def variables() -> set[str]:
    """Every variable of the environment that the program reads."""
    options = {
        parameter.envvar
        for name in COMMANDS
        if (command := comfywire_command.get_command(click.Context(comfywire_command), name)) is not None
        for inner in (command.commands.values() if isinstance(command, click.Group) else [command])
        for parameter in inner.params
        if isinstance(parameter.envvar, str)
    }
    sources = "".join(path.read_text(encoding="utf-8") for path in SERVICE.glob("*.py"))
    return options | set(re.findall(r'"(COMFYWIRE_\w+)"', sources))


@pytest.mark.parametrize("words", command_lines().values(), ids=command_lines())
def test_a_command_line_is_one_that_the_program_takes(words):
    parsed(words)


def test_the_api_is_served_to_others_only_with_keys():
    served = [words for words in command_lines().values() if words[0] == "serve"]

    contexts = [parsed(words) for words in served]

    assert [(context.params["host"], context.params["keys_required"]) for context in contexts] == [
        ("0.0.0.0", True)
    ] * len(served)
    assert len(served) == 3


def test_the_processes_of_a_deployment_do_one_thing_each():
    services = {name: words for name, words in command_lines().items() if name != "Dockerfile"}

    apis = [words for words in services.values() if words[0] == "serve"]

    assert all(parsed(words).params["no_workers"] for words in apis)


@pytest.mark.parametrize(("name", "container"), containers().items(), ids=containers())
def test_a_containers_variables_are_read_by_the_program(name, container):
    names = {variable["name"] for variable in container["env"]}

    unknown = {variable for variable in names if not variable.startswith("AWS_")} - variables()

    assert unknown == set()


@pytest.mark.parametrize(("name", "service"), ours().items(), ids=ours())
def test_a_services_variables_are_read_by_the_program(name, service):
    assert set(service["environment"]) - variables() == set()


def test_the_images_variables_are_read_by_the_program():
    assert set(re.findall(r"COMFYWIRE_\w+", dockerfile())) - variables() == set()


def test_secrets_that_are_named_are_in_the_example():
    (example,) = documents(DEPLOY / "kubernetes" / "secret.yaml")

    named = {
        (variable["valueFrom"]["secretKeyRef"]["name"], variable["valueFrom"]["secretKeyRef"]["key"])
        for container in containers().values()
        for variable in container["env"]
    }

    assert named == {(example["metadata"]["name"], key) for key in example["stringData"]}


def test_no_manifest_holds_a_secret():
    (example,) = documents(DEPLOY / "kubernetes" / "secret.yaml")

    given = [value for value in example["stringData"].values() if "://" not in value and value != "CHANGE-ME"]

    assert given == []


def test_the_port_is_the_programs_own():
    port = parsed(["serve"]).params["port"]
    container = containers()["comfywire-serve"]

    assert [one["containerPort"] for one in container["ports"]] == [port]
    assert compose()["services"]["api"]["ports"] == [f"{port}:{port}"]
    assert f"EXPOSE {port}\n" in dockerfile()


@pytest.mark.parametrize(
    ("probe", "path"), [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")], ids=["alive", "ready"]
)
def test_a_probe_asks_for_a_route_that_there_is(probe, path):
    routes = "".join(file.read_text(encoding="utf-8") for file in (SERVICE / "api").glob("*.py"))

    assert containers()["comfywire-serve"][probe]["httpGet"]["path"] == path
    assert f'"{path}"' in routes


@pytest.mark.parametrize("name", ["comfywire-worker", "comfywire-serve"])
def test_a_pod_is_given_longer_than_it_takes_to_drain(name):
    drain = parsed(containers()[name]["args"]).params["drain_timeout"]
    pod = dict(pods())[name]

    assert pod["terminationGracePeriodSeconds"] > drain


def test_a_worker_of_compose_is_given_longer_than_it_takes_to_drain():
    worker = compose()["services"]["worker"]

    assert (
        int(worker["stop_grace_period"].removesuffix("s")) > parsed(worker["command"]).params["drain_timeout"]
    )


def test_the_image_has_extras_that_there_are():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (wanted,) = re.findall(r"'\.\[([\w,]+)\]'", dockerfile())

    assert set(wanted.split(",")) <= set(project["optional-dependencies"])
    assert "service" in wanted


def test_every_manifest_is_applied():
    (kustomization,) = documents(DEPLOY / "kubernetes" / "kustomization.yaml")

    assert sorted(kustomization["resources"]) == sorted(
        path.name for path in MANIFESTS if path.name != "kustomization.yaml"
    )


@pytest.mark.parametrize(("name", "pod"), list(pods()), ids=list(dict(pods())))
def test_a_pod_does_not_run_as_root(name, pod):
    assert pod["securityContext"]["runAsNonRoot"]
    assert f"--uid {pod['securityContext']['runAsUser']} " in dockerfile()


@pytest.mark.parametrize(("name", "pod"), list(pods()), ids=list(dict(pods())))
def test_what_a_container_mounts_is_there(name, pod):
    volumes = {volume["name"] for volume in pod["volumes"]}

    assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == volumes


def test_the_proxies_wait_for_longer_than_an_answer_may() -> None:
    from comfywire.service.api.workflows import MOST_WAIT

    nginx = (DEPLOY / "proxies" / "nginx.conf").read_text(encoding="utf-8")
    traefik = (DEPLOY / "proxies" / "traefik.yaml").read_text(encoding="utf-8")
    waits = re.findall(r"proxy_read_timeout (\d+)s", nginx) + re.findall(
        r"responseHeaderTimeout: (\d+)s", traefik
    )

    assert len(waits) == 2
    assert all(int(seconds) > MOST_WAIT for seconds in waits)


def test_what_was_not_run_says_so() -> None:
    assert "NOT RUN" in (DEPLOY / "proxies" / "traefik.yaml").read_text(encoding="utf-8")
