"""Every rule of the lint: a good workflow passes, and its twin with one fault is refused for that fault."""

# ruff: noqa: S108 - paths of containers

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.argo import document, lint, support
from pipelines.argo.errors import ArgoError
from tests.pipelines.test_argo_run import cli

GOOD: dict[str, Any] = yaml.safe_load("""
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: twin-}
spec:
  entrypoint: main
  onExit: last
  arguments: {parameters: [{name: name, value: iris}]}
  templates:
  - name: main
    inputs: {parameters: [{name: name}]}
    dag:
      tasks:
      - {name: train, template: train, arguments: {parameters: [{name: model, value: '{{inputs.parameters.name}}'}]}}
      - name: deploy
        template: deploy
        dependencies: [train]
        when: '"{{tasks.train.outputs.parameters.good}}" == "true"'
        arguments:
          parameters: [{name: version, value: '{{tasks.train.outputs.parameters.version}}'}]
          artifacts: [{name: model, from: '{{tasks.train.outputs.artifacts.model}}'}]
  - name: train
    inputs: {parameters: [{name: model}]}
    container: {image: 'x:1', command: [train, '{{inputs.parameters.model}}', '{{outputs.artifacts.model.path}}']}
    outputs:
      parameters:
      - {name: version, valueFrom: {path: /tmp/version}}
      - {name: good, valueFrom: {path: /tmp/good}}
      artifacts: [{name: model, path: /tmp/model}]
  - name: deploy
    inputs: {parameters: [{name: version}], artifacts: [{name: model, path: /tmp/model}]}
    resource:
      action: apply
      successCondition: status.state == Available
      failureCondition: status.state == Failed
      manifest: |
        kind: SeldonDeployment
        metadata: {name: '{{inputs.parameters.version}}'}
    outputs: {parameters: [{name: url, valueFrom: {jsonPath: '{.status.address.url}'}}]}
  - name: last
    inputs: {parameters: [{name: name}]}
    container: {image: 'x:1', command: [echo, '{{workflow.status}}', '{{workflow.failures}}', '{{workflow.uid}}']}
""")

Change = Callable[[dict[str, Any]], object]


def spec(key: str, value: object) -> Change:
    return lambda good: good["spec"].update({key: value})


def template(number: int, **changes: object) -> Change:
    return lambda good: good["spec"]["templates"][number].update(changes)


def task(number: int, **changes: object) -> Change:
    return lambda good: good["spec"]["templates"][0]["dag"]["tasks"][number].update(changes)


def resource(**changes: object) -> Change:
    return lambda good: good["spec"]["templates"][2]["resource"].update(changes)


def outputs(number: int, **source: object) -> Change:
    return template(number, outputs={"parameters": [{"name": "version", "valueFrom": source}]})


TWINS: dict[str, tuple[Change, str]] = {
    "no entrypoint": (spec("entrypoint", ""), "spec.entrypoint: is required"),
    "entrypoint of no template": (spec("entrypoint", "mian"), "template name 'mian' undefined"),
    "exit handler of no template": (spec("onExit", "lost"), "spec.onExit: template name 'lost' undefined"),
    "task of no template": (task(1, template="deplyo"), "template name 'deplyo' undefined"),
    "two kinds of template": (template(1, script={"image": "x:1"}), "found container, script"),
    "no kind of template": (lambda good: good["spec"]["templates"][1].pop("container"), "found none"),
    "unknown action": (resource(action="acton"), "expected one of get, create, apply"),
    "no manifest": (resource(manifest=""), "manifest or manifestFrom"),
    "manifest that is no YAML": (resource(manifest="a: [1"), "must be a valid yaml"),
    "manifest with an unknown tag": (
        resource(manifest="a: '{{inputs.parameters.nope}}'"),
        "failed to resolve {{inputs",
    ),
    "condition that is no selector": (resource(successCondition="status.state === x"), "expected a label selector"),
    "tag of nothing": (template(1, container={"image": "x", "args": ["{{nope}}"]}), "failed to resolve {{nope}}"),
    "tag of an output that the task has not": (
        task(1, when="{{tasks.train.outputs.parameters.bad}} == x"),
        "failed to resolve {{tasks.train.outputs.parameters.bad}}",
    ),
    "the status before the end": (
        template(1, container={"image": "x", "args": ["{{workflow.status}}"]}),
        "failed to resolve {{workflow.status}}",
    ),
    "output of a task that it does not wait for": (task(1, dependencies=[]), "missing dependency 'train'"),
    "dependency on no task": (task(1, dependencies=["train", "ghost"]), "dependency 'ghost' not defined"),
    "cycle": (task(0, dependencies=["deploy"]), "dependency cycle detected: train -> deploy -> train"),
    "dependencies and depends": (task(0, depends="deploy"), "both 'depends' and 'dependencies'"),
    "when that does not parse": (task(1, when="(a == b"), "closing parenthesis"),
    "two templates of one name": (template(1, name="last"), "spec.templates: name 'last' is not unique"),
    "two tasks of one name": (task(0, name="deploy"), "tasks: name 'deploy' is not unique"),
    "two outputs of one name": (
        template(1, outputs={"artifacts": [{"name": "a", "path": "/a"}, {"name": "a", "path": "/b"}]}),
        "outputs.artifacts: name 'a' is not unique",
    ),
    "no image": (template(1, container={"image": "", "args": []}), "container.image: may not be empty"),
    "resource output without a path into the object": (outputs(2, path="/tmp/x"), "jsonPath or jqFilter must be"),
    "container output without a file": (outputs(1, jsonPath="{}"), "path must be specified"),
    "output from nowhere": (outputs(1), "valueFrom: is required"),
    "argument that is missing": (task(0, arguments={}), "train.inputs.parameters.model was not supplied"),
    "artifact that is missing": (
        task(1, arguments={"parameters": [{"name": "version", "value": "1"}]}),
        "deploy.inputs.artifacts.model was not supplied",
    ),
    "parameter of the entrypoint that nobody gives": (
        spec("arguments", {}),
        "templates.main.inputs.parameters.name: was not supplied",
    ),
    "another kind": (lambda good: good.update(kind="CronWorkflow"), "expected Workflow"),
    "a field of another type": (spec("templates", "none"), "another type"),
}


def test_the_good_workflow_has_no_fault() -> None:
    assert lint.check(GOOD) == ()
    assert document.read(GOOD).templates.keys() == {"main", "train", "deploy", "last"}


@pytest.mark.parametrize("twin", TWINS)
def test_a_twin_with_one_fault_is_refused_for_it(twin: str) -> None:
    change, expected = TWINS[twin]
    broken = copy.deepcopy(GOOD)
    change(broken)
    found = lint.check(broken)
    assert any(expected in finding for finding in found), found
    with pytest.raises(ArgoError, match="Argo would refuse"):
        document.read(broken)


UNSUPPORTED: dict[str, tuple[Change, str]] = {
    "steps": (template(1, container=None, steps=[]), "templates.train.steps"),
    "loops": (task(0, withItems=[1, 2]), "templates.main.train.withItems"),
    "hooks": (task(0, hooks={}), "templates.main.train.hooks"),
    "expressions": (task(0, when="{{='a' == 'b'}}"), "the expression {{='a' == 'b'}}"),
    "secrets as volumes": (spec("volumes", [{"name": "s", "secret": {}}]), "neither a claim nor an empty folder"),
    "artifacts of a store": (
        template(1, inputs={"parameters": [{"name": "model"}], "artifacts": [{"name": "a", "path": "/a", "s3": {}}]}),
        "artifacts of a store (name, path, s3)",
    ),
    "sidecars": (template(1, sidecars=[]), "templates.train.sidecars"),
    "jq": (template(2, outputs={"parameters": [{"name": "u", "valueFrom": {"jqFilter": "."}}]}), "valueFrom.jqFilter"),
    "filters in a jsonpath": (
        template(2, outputs={"parameters": [{"name": "u", "valueFrom": {"jsonPath": "{.a[*]}"}}]}),
        "expected names and indices",
    ),
    "synchronization": (spec("synchronization", {}), "spec.synchronization"),
    "environment from a secret": (
        template(1, container={"image": "x", "env": [{"name": "A", "valueFrom": {}}]}),
        "container.env.A.valueFrom",
    ),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_the_runner_does_not_do_is_refused_by_name(name: str) -> None:
    change, expected = UNSUPPORTED[name]
    asked = copy.deepcopy(GOOD)
    change(asked)
    asked["spec"]["templates"][1] = {k: v for k, v in asked["spec"]["templates"][1].items() if v is not None}
    found = support.refusals(asked)
    assert any(expected in each for each in found), found


def test_the_command_lists_the_faults(tmp_path: Path) -> None:
    broken = copy.deepcopy(GOOD)
    broken["spec"]["entrypoint"] = ""
    file = tmp_path / "broken.yaml"
    file.write_text(yaml.safe_dump(broken))
    done = cli("lint", str(file))
    assert (done.returncode, "spec.entrypoint: is required" in done.stdout) == (1, True)
    file.write_text("- a list")
    refused = cli("lint", str(file))
    assert (refused.returncode, "holds list" in refused.stderr) == (2, True)


def test_a_file_that_is_no_workflow_is_said_to_be_none(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("{")
    with pytest.raises(ArgoError, match="expected a workflow in YAML"):
        document.load(file)
    with pytest.raises(ArgoError, match="cannot read"):
        document.load(tmp_path / "none.yaml")
