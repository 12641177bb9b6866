"""A real API server, without a node: it takes every manifest; and what waits for Seldon Core waits rightly.

Seldon's operator does not run here: its resource type is there, and a thread of the test says Available in its place.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from servelab import strategy as strategies
from servelab.strategy import Strategy
from tests import cluster
from tests.cluster import Cluster
from tests.k8s import programs
from tests.k8s.asking import ask, name_context
from tests.k8s.overlays import OLDER, SERVED
from tests.k8s.programs import PREPARE, RUN
from tests.k8s.stand_ins import StandIns

pytestmark = pytest.mark.cluster
KINDS = {"deployment.apps", "horizontalpodautoscaler.autoscaling", "poddisruptionbudget.policy", "service"}
run = programs.load(RUN)
preparation = programs.load(PREPARE)


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """The API server, known to kubectl as minikube's cluster would be."""
    with cluster.started(node=False) as started:
        name_context(started, run.PROFILE)
        yield started


@pytest.mark.parametrize("strategy", SERVED, ids=lambda strategy: strategy.name)
def test_the_api_server_takes_every_manifest(server: Cluster, strategy: Strategy) -> None:
    name = strategy.name
    said = ask(server, "apply", "--dry-run=server", "--kustomize", str(OLDER),
                          "--selector", f"app.kubernetes.io/name={name}")  # fmt: skip
    assert sorted(said.splitlines()) == sorted(f"{kind}/servelab-{name} created (server dry run)" for kind in KINDS)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("memory: 384Mi", "memory: 2Gi", "must be less than or equal to memory limit"),
        ("maxSurge: 1", "maxSurges: 1", "unknown field"),
    ],
)
def test_the_api_server_refuses_what_is_wrong(server: Cluster, old: str, new: str, complaint: str) -> None:
    """So that the test above can fail."""
    manifest = ask(server, "kustomize", str(OLDER))
    assert old in manifest
    done = server.kubectl("apply", "--dry-run=server", "--filename", "-", text=manifest.replace(old, new))
    assert done.returncode == 1
    assert complaint in done.stderr


def _prepare(server: Cluster, model: str = "iris", version: str = "1") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"KUBECONFIG": str(server.kubeconfig)}
    return subprocess.run([sys.executable, PREPARE, model, version], env=environment, capture_output=True, text=True,
                          check=False, timeout=120)  # fmt: skip


@pytest.fixture(scope="module")
def seldon(server: Cluster) -> Cluster:
    """The server with the namespace that `up` makes."""
    ask(server, "create", "namespace", "seldon")
    return server


@contextlib.contextmanager
def operator(server: Cluster, state: str) -> Iterator[None]:
    """What Seldon's operator says of every SeldonDeployment in the end: here at once, and without doing anything."""
    done = threading.Event()

    def watch() -> None:
        patch = f'{{"status": {{"state": "{state}"}}}}'
        while not done.wait(0.5):
            for name in ask(server, "get", "seldondeployments", "--namespace=seldon", "--output=name").split():
                ask(server, "patch", name, "--namespace=seldon", "--subresource=status", "--type=merge", "-p", patch)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("model", strategies.load("seldon-minikube").models)
def test_prepare_waits_until_the_model_is_available(seldon: Cluster, model: str) -> None:
    with operator(seldon, "Available"):
        done = _prepare(seldon, model, "1")
    assert done.returncode == 0, done.stderr
    path = "{.spec.predictors[0].graph.parameters[*].value}"
    name = f"seldondeployment/servelab-{model}-1"
    assert ask(seldon, "get", name, "--namespace=seldon", f"--output=jsonpath={path}") == f"{model} 1"


def test_prepare_ends_its_wait_and_says_where_to_look(seldon: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(seldon.kubeconfig))
    with (
        operator(seldon, "Failed"),
        pytest.raises(preparation.NotReady, match=r"not Available within 2 s.*make k8s-seldon.*servelab-iris-2"),
    ):
        preparation.prepare("iris", "2", seconds=2)


def test_the_graphs_are_applied_and_waited_for(seldon: Cluster, tmp_path: Path) -> None:
    """`make k8s-seldon` with the real kubectl; the images' way into the cluster is but written down."""
    stand_ins = StandIns(tmp_path, "minikube", "docker", version=run.MINIKUBE)
    kubectl = shutil.which("kubectl")
    assert kubectl is not None
    environment = stand_ins.environment(str(Path(kubectl).parent), {"KUBECONFIG": str(seldon.kubeconfig)})
    with operator(seldon, "Available"):
        for _ in range(2):
            done = subprocess.run([sys.executable, RUN, "seldon"], env=environment, capture_output=True, text=True,
                                  check=False, timeout=120)  # fmt: skip
            assert done.returncode == 0, done.stderr
    assert len(stand_ins.calls) == 2 * 2 * len(run.images())
    names = ask(seldon, "get", "seldondeployments", "--namespace=seldon", "--output=jsonpath={.items[*].metadata.name}")
    assert {"iris-model", "iris-single", "ab-test"} <= set(names.split())


def test_a_cluster_without_seldon_is_told_so(seldon: Cluster) -> None:
    """Last: afterwards this cluster is one."""
    ask(seldon, "delete", "customresourcedefinition", "seldondeployments.machinelearning.seldon.io")
    done = _prepare(seldon)
    assert done.returncode == 1
    assert "Seldon Core is not installed in the cluster; install it with: make k8s-up" in done.stderr
