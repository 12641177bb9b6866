"""The resource steps on a real Kubernetes, by the same kubectl action as Argo's.

No Seldon controller runs there, so a test writes the status that a controller would have written, by hand.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from servelab.paths import ROOT
from tests import cluster

pytestmark = pytest.mark.cluster
SECONDS = 60.0
URL = "http://iris-main.default.svc.cluster.local:8000/api/v1.0/predictions"
VALUES = {
    "name": "iris",
    "namespace": "default",
    "store-version": "0123456789ab",
    "store-stored": "pvc://servelab-store/m",
}


@pytest.fixture(scope="module")
def kubernetes() -> Iterator[cluster.Cluster]:
    with cluster.started(node=False) as started:
        yield started


@pytest.fixture(autouse=True)
def _empty(kubernetes: cluster.Cluster) -> Iterator[None]:
    yield
    kubernetes.kubectl("delete", "seldondeployments", "--all")


def deploying(folder: Path, name: str, values: Mapping[str, str]) -> Path:
    """A workflow of the compiled resource step alone, with values for its parameters; a step shows its output."""
    compiled = yaml.safe_load((ROOT / "pipelines" / "v1" / name).read_text())
    (deploy,) = (each for each in compiled["spec"]["templates"] if "resource" in each)
    output = deploy["outputs"]["parameters"][-1]["name"]
    arguments = {"parameters": [{"name": key, "value": value} for key, value in values.items()]}
    given = {"parameters": [{"name": "out", "value": f"{{{{tasks.deploy.outputs.parameters.{output}}}}}"}]}
    tasks = [
        {"name": "deploy", "template": deploy["name"], "arguments": arguments},
        {"name": "show", "template": "show", "dependencies": ["deploy"], "arguments": given},
    ]
    show = {"name": "show", "inputs": {"parameters": [{"name": "out"}]},
            "container": {"image": "servelab-toolkit:1", "command": ["echo", "{{inputs.parameters.out}}"]}}  # fmt: skip
    templates = [{"name": "main", "dag": {"tasks": tasks}}, deploy, show]
    file = folder / "workflow.yaml"
    file.write_text(yaml.safe_dump(compiled | {"spec": {"entrypoint": "main", "templates": templates}}))
    return file


def start(kubernetes: cluster.Cluster, file: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.argo", "run", str(file), "--kubectl", kubernetes.kubectl_path,
         "--interval", "0.2", "--timeout", str(SECONDS),
         "--folder", str(file.parent / "run"), "--volumes", str(file.parent)],
        cwd=ROOT, env=kubernetes.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def appeared(kubernetes: cluster.Cluster, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        done = kubernetes.kubectl("get", "seldondeployment", name, "-o", "json")
        if done.returncode == 0:
            found: dict[str, Any] = json.loads(done.stdout)
            return found
        time.sleep(0.2)
    pytest.fail(f"expected the SeldonDeployment {name}; the cluster has none")


def say(kubernetes: cluster.Cluster, name: str, status: Mapping[str, Any]) -> None:
    """What Seldon's controller would write."""
    done = kubernetes.kubectl("patch", "seldondeployment", name, "--subresource=status", "--type=merge",
                              "-p", json.dumps({"status": status}))  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_manifest_is_applied_with_its_values_and_its_status_is_waited_for(
    kubernetes: cluster.Cluster, tmp_path: Path
) -> None:
    process = start(kubernetes, deploying(tmp_path, "pipeline.yaml", VALUES))
    found = appeared(kubernetes, "iris")
    assert found["metadata"]["labels"]["app.kubernetes.io/version"] == "0123456789ab"
    assert found["spec"]["predictors"][0]["graph"]["modelUri"] == "pvc://servelab-store/m"
    say(kubernetes, "iris", {"state": "Creating"})
    time.sleep(1)
    assert process.poll() is None  # it goes on waiting
    say(kubernetes, "iris", {"state": "Available", "address": {"url": URL}})
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, out
    assert re.search(rf"✓ show Succeeded in \S+ s: {URL}", out)


def test_a_status_of_failed_fails_the_step(kubernetes: cluster.Cluster, tmp_path: Path) -> None:
    process = start(kubernetes, deploying(tmp_path, "pipeline.yaml", VALUES))
    appeared(kubernetes, "iris")
    say(kubernetes, "iris", {"state": "Failed", "description": "no such model"})
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "status.state is Failed, status.description is no such model" in out


def test_an_object_that_goes_while_it_is_waited_for_fails_the_step(kubernetes: cluster.Cluster, tmp_path: Path) -> None:
    process = start(kubernetes, deploying(tmp_path, "pipeline.yaml", VALUES))
    appeared(kubernetes, "iris")
    kubernetes.kubectl("delete", "seldondeployment", "iris")
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "NotFound" in out


def test_the_seeds_workflow_creates_its_graph_once(kubernetes: cluster.Cluster, tmp_path: Path) -> None:
    process = start(kubernetes, deploying(tmp_path, "seed.yaml", {}))
    found = appeared(kubernetes, "ab-test")
    assert found["spec"]["predictors"][0]["graph"]["children"][0]["type"] == "ROUTER"
    say(kubernetes, "ab-test", {"state": "Available"})
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, out
    again = tmp_path / "again"
    again.mkdir()
    out, _ = (second := start(kubernetes, deploying(again, "seed.yaml", {}))).communicate(timeout=SECONDS)
    assert second.returncode == 1
    assert "AlreadyExists" in out
