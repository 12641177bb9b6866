"""The pipeline against a real Kubernetes API, under the rights that k8s/pipelines gives it.

Seldon's own controller cannot run on a test machine. A thread takes its place: what appears in the cluster it applies
to a graph runner, and the runner's status it writes into the cluster's object. So a server predicts in the end.
"""

import base64
import json
import re
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from servelab import environment, kubernetes as kubernetes_api
from servelab.errors import ServelabError
from servelab.kubernetes import MERGE, NOT_FOUND, Api, KubernetesError, Object, Reference
from servelab.paths import ROOT
from tests import cluster
from tests.cluster import Cluster

from .running import graph_runner, run_v2, step

pytestmark = pytest.mark.cluster
NAMESPACE = "kubeflow"
COLLECTION = f"/apis/machinelearning.seldon.io/v1/namespaces/{NAMESPACE}/seldondeployments"


@pytest.fixture(scope="module")
def kubernetes() -> Iterator[Cluster]:
    """An API server with the namespace, the account and its role."""
    with cluster.started(node=False) as started:
        for arguments in (["create", "namespace", NAMESPACE], ["apply", "-k", str(ROOT / "k8s/pipelines")]):
            done = started.kubectl(*arguments)
            assert done.returncode == 0, done.stderr
        yield started


@pytest.fixture(scope="module")
def proxy(kubernetes: Cluster) -> Iterator[str]:
    """`kubectl proxy`, as a user starts it."""
    command = [kubernetes.kubectl_path, "proxy", "--port", "0"]
    with subprocess.Popen(command, env=dict(kubernetes.env), stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        found = re.search(r"127\.0\.0\.1:\d+", running.stdout.readline())
        assert found
        yield f"http://{found[0]}"
        running.terminate()


@pytest.fixture(scope="module")
def controlled(proxy: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The graph runner in the place of Seldon's controller; its URL."""
    over = threading.Event()
    with graph_runner(tmp_path_factory.mktemp("runner") / "log") as runner:
        thread = threading.Thread(target=_control, args=(Api(proxy), Api(runner), over))
        thread.start()
        yield runner
        over.set()
        thread.join()


def _control(cluster_api: Api, runner: Api, over: threading.Event) -> None:
    """Brings what the cluster holds to the runner, and the runner's status to the cluster."""
    known: dict[str, int] = {}
    while not over.wait(0.2):
        items = cluster_api._send("GET", COLLECTION)["items"]
        for name in set(known) - {item["metadata"]["name"] for item in items}:
            runner.delete(Reference(NAMESPACE, name))
            del known[name]
        for item in items:
            name, generation = item["metadata"]["name"], item["metadata"]["generation"]
            if known.get(name) == generation:
                continue
            known[name] = generation
            _write_status(cluster_api, name, {"state": "Creating"})
            _write_status(cluster_api, name, _served(runner, item))


def _served(runner: Api, item: Object) -> Object:
    kinds = {"apiVersion": "machinelearning.seldon.io/v1", "kind": "SeldonDeployment"}
    try:
        return dict(runner.settled(runner.apply(kubernetes_api.plain({**item, **kinds})), 60)["status"])
    except ServelabError as error:
        return {"state": "Failed", "description": str(error)}


def _write_status(cluster_api: Api, name: str, status: Object) -> None:
    kept = {key: status[key] for key in ("state", "description", "address") if status.get(key)}
    try:
        cluster_api._send("PATCH", f"{COLLECTION}/{name}/status", {"status": kept}, MERGE)
    except KubernetesError as error:
        if error.code != NOT_FOUND:  # taken away meanwhile
            raise


@pytest.fixture
def in_a_pod(kubernetes: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a pod of the pipeline sees: the address of the API, and the token of its account."""
    (context,) = yaml.safe_load(kubernetes.kubeconfig.read_text())["clusters"]
    address = urllib.parse.urlsplit(context["cluster"]["server"])
    token = kubernetes.kubectl("create", "token", "pipeline-runner", "--namespace", NAMESPACE)
    assert token.returncode == 0, token.stderr
    (tmp_path / "token").write_text(token.stdout)
    authority = context["cluster"].get("certificate-authority-data")
    found = base64.b64decode(authority) if authority else Path(context["cluster"]["certificate-authority"]).read_bytes()
    (tmp_path / "ca.crt").write_bytes(found)
    monkeypatch.setattr(kubernetes_api, "ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", address.hostname or "")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(address.port))


@pytest.mark.usefixtures("in_a_pod")
def test_the_account_may_deploy_in_its_namespace_and_nowhere_else(
    controlled: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for number, version in enumerate(("1", "2")):
        model = tmp_path / version
        step("take", "--model", "mnist", "--version", version, "--output", model)
        files.append(tmp_path / f"{number}.yaml")
        for namespace, file in ((NAMESPACE, files[-1]), ("default", tmp_path / "elsewhere.yaml")):
            step("manifest", "--model-dir", model, "--name", "account", "--namespace", namespace,
                 "--store", tmp_path / "store", "--output", file)  # fmt: skip
    first, second, url = tmp_path / "first.json", tmp_path / "second.json", tmp_path / "url"
    step("apply", "--manifest", files[0], "--previous", first, "--url", url, "--wait", "60")
    assert url.read_text().startswith(controlled)
    step("apply", "--manifest", files[1], "--previous", second)
    name = ["--name", "account", "--namespace", NAMESPACE]
    assert json.loads(first.read_text()) == {}
    assert json.loads(second.read_text())["spec"]["predictors"][0]["labels"]
    step("rollback", *name, "--previous", second)
    assert step("smoke", "--url", url.read_text(), "--model-dir", tmp_path / "1") == 0
    step("rollback", *name, "--previous", first)
    assert "so it is removed" in capsys.readouterr().out
    with pytest.raises(KubernetesError, match=r"403 .*pipeline-runner.* cannot patch"):
        step("apply", "--manifest", tmp_path / "elsewhere.yaml")


def test_the_pipeline_deploys_to_a_cluster(proxy: str, controlled: str, tmp_path: Path) -> None:
    python = str(environment.pipeline("v2").ensure())
    arguments = ["--model", "iris", "--version", "1", "--namespace", NAMESPACE, "--runner", proxy]
    done = run_v2(python, *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{controlled}/seldon/{NAMESPACE}/iris/api/v1.0/predictions answers" in done.stdout.splitlines()[-1]
    arguments[1:4] = ["mnist", "--version", "1", "--name", "iris"]
    done = run_v2(python, *arguments, breaks="smoke", folder=tmp_path)
    assert done.returncode == 1
    assert f"{NAMESPACE}/iris: back to version " in done.stdout
