"""What KFP 1.8 makes of the two programs: the same bytes as in the repository, and workflows that Argo takes."""

import copy
import json
import lzma
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pipelines.argo import document, lint, scope
from servelab import environment
from servelab.errors import EnvironmentFailed
from servelab.paths import ROOT

FOLDER = ROOT / "pipelines" / "v1"
FILES = ("pipeline.yaml", "seed.yaml")
DATE = "1970-01-01T00:00:00"
SCHEMA = "argo-3.4.18.jsonschema.json.xz"


def workflow(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return loaded


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs, compiled anew in a copy of their folder, in two processes with other hash seeds."""
    root = tmp_path_factory.mktemp("compiled")
    shutil.copytree(
        FOLDER, root / "pipelines" / "v1", ignore=lambda _, names: [each for each in names if "yaml" in each]
    )
    shutil.copytree(ROOT / "k8s" / "seldon", root / "k8s" / "seldon")
    env = environment.pipeline("v1")
    for seed, program in enumerate(("pipeline.py", "seed.py")):
        done = subprocess.run([env.ensure(), root / "pipelines" / "v1" / program], text=True, capture_output=True,
                              env=env.variables() | {"PYTHONHASHSEED": str(seed)}, timeout=60, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
    return root / "pipelines" / "v1"


@pytest.mark.parametrize("name", FILES)
def test_the_repository_holds_what_the_programs_compile_to(compiled: Path, name: str) -> None:
    assert (compiled / name).read_bytes() == (FOLDER / name).read_bytes(), "type: make pipeline"
    assert DATE in (FOLDER / name).read_text()


def test_the_environments_of_pipelines_have_names_and_others_are_refused() -> None:
    assert environment.named("pipelines/v1/") == environment.pipeline("v1")
    assert environment.pipeline("v1").name == "pipelines-v1"
    with pytest.raises(EnvironmentFailed, match="expected pipelines/v1 or pipelines/v2; found pipelines/v3"):
        environment.named("pipelines/v3")


@pytest.mark.parametrize("name", FILES)
def test_our_lint_and_our_runner_take_it(name: str) -> None:
    assert lint.check(workflow(name)) == ()
    assert document.read(workflow(name)).entrypoint


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    folder = os.environ.get("SERVELAB_CRDS")
    if not folder or not (file := Path(folder) / SCHEMA).exists():
        pytest.skip(f"needs SERVELAB_CRDS, a folder with {SCHEMA}")
    loaded: dict[str, Any] = json.loads(lzma.decompress(file.read_bytes()))
    # The schema says "string" with the format int-or-string; Argo takes both, as the name says.
    loaded["definitions"]["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]["type"] = ["string", "integer"]
    return {"$ref": "#/definitions/io.argoproj.workflow.v1alpha1.Workflow", "definitions": loaded["definitions"]}


@pytest.mark.parametrize("name", FILES)
def test_argos_own_schema_takes_it_and_refuses_a_broken_twin(schema: dict[str, Any], name: str) -> None:
    jsonschema.validate(workflow(name), schema)
    broken = copy.deepcopy(workflow(name))
    (template,) = (each for each in broken["spec"]["templates"] if "resource" in each)
    template["resource"]["acton"] = template["resource"].pop("action")
    with pytest.raises(jsonschema.ValidationError, match="'action' is a required property"):
        jsonschema.validate(broken, schema)


def test_the_seeds_workflow_creates_the_manifest_as_it_is_and_waits_for_it() -> None:
    (template,) = (each for each in workflow("seed.yaml")["spec"]["templates"] if "resource" in each)
    resource = template["resource"]
    assert yaml.safe_load(resource["manifest"]) == yaml.safe_load((ROOT / "k8s/seldon/ab-test.yaml").read_text())
    assert resource["action"] == "create"
    assert resource["successCondition"] == "status.state == Available"
    assert resource["failureCondition"] == "status.state == Failed"
    assert {"name": "seldon-deployment-name", "valueFrom": {"jsonPath": "{.metadata.name}"}} in (
        template["outputs"]["parameters"]
    )


def template(name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        each for each in workflow("pipeline.yaml")["spec"]["templates"] if each["name"] == name
    )
    return found


def test_the_resource_steps_manifest_is_what_the_store_step_writes(tmp_path: Path) -> None:
    written, version, uri = (tmp_path / name for name in ("manifest.yaml", "version", "uri"))
    done = subprocess.run(
        [environment.Toolkit("toolkit", ROOT / "requirements.txt").bin / "servelab", "step", "manifest", "--model-dir",
         ROOT / "shared_models" / "iris" / "1", "--name", "iris", "--namespace", "ns", "--store", tmp_path / "store",
         "--uri", "pvc://servelab-store", "--output", written, "--version-output", version, "--uri-output", uri],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    values = {"inputs.parameters.name": "iris", "inputs.parameters.namespace": "ns",
              "inputs.parameters.store-version": version.read_text(),
              "inputs.parameters.store-stored": uri.read_text()}  # fmt: skip
    filled = scope.fill(template("deploy")["resource"]["manifest"], values)
    assert yaml.safe_load(filled) == yaml.safe_load(written.read_text())


def test_what_the_pipeline_promises_is_in_the_workflow() -> None:
    spec = workflow("pipeline.yaml")["spec"]
    containers = [each for each in spec["templates"] if "container" in each]
    assert {each["name"] for each in containers} == {"fetch", "train", "evaluate", "gate", "store", "remember", "smoke",
                                                     "probe", "promote", "settle"}  # fmt: skip
    assert all({"cpu", "memory"} == set(each["container"]["resources"]["limits"]) for each in containers)
    assert all(each["metadata"]["labels"]["pipelines.kubeflow.org/enable_caching"] == "false" for each in containers)
    assert template("fetch")["retryStrategy"] == {"limit": 2, "backoff": {"duration": "5s", "factor": 2}}
    assert template("deploy")["activeDeadlineSeconds"] == 300
    assert spec["onExit"] == "settle"
    assert "{{workflow.status}}" in template("settle")["container"]["command"]
    whens = [
        task["when"] for each in spec["templates"] for task in each.get("dag", {}).get("tasks", []) if "when" in task
    ]
    assert whens == ['"{{tasks.gate.outputs.parameters.gate-passed}}" == "true"']
