"""Servers on a real node: images built here, rolled out, asked through their Service, killed, replaced under load."""

import contextlib
import json
import os
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import servelab
import shared_models
from servelab import conformance, container, strategy as strategies
from servelab.conformance.answers import difference
from servelab.errors import EnvironmentFailed
from servelab.paths import ROOT
from servelab.strategy import Strategy
from tests import cluster
from tests.cluster import Cluster
from tests.k8s import operator
from tests.k8s.asking import ask, name_context
from tests.k8s.load import Load
from tests.k8s.overlays import OLDER

pytestmark = [pytest.mark.cluster, pytest.mark.image, pytest.mark.timeout(900)]
SERVERS = tuple(strategies.load(name) for name in ("flask", "fastapi"))
MODEL = "mnist"  # the shared model whose two versions answer differently
SECONDS = 120
LAST_STOPS = 10  # seconds after a rollout's end, in which the last old pod waits, and finishes what it has
IMAGE = "servelab/model-infer:1"
each = pytest.mark.parametrize("strategy", SERVERS, ids=lambda strategy: strategy.name)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster where each server runs as its overlay says, but for the model."""
    if os.geteuid():
        pytest.skip("a node needs root")
    try:
        container.engine().close()
    except EnvironmentFailed:
        pytest.skip("no container engine answers; make doctor says how to get one")
    with cluster.started(node=True) as started:
        for strategy in SERVERS:
            container.build(strategy)
            started.load(container.tag(strategy))
        names = ", ".join(strategy.name for strategy in SERVERS)
        ask(started, "apply", "--kustomize", str(_with_model(tmp_path_factory.mktemp("overlay"))),
                        "--selector", f"app.kubernetes.io/name in ({names})")  # fmt: skip
        for strategy in SERVERS:
            _wait_for_two(started, strategy)
        yield started


def _with_model(folder: Path) -> Path:
    """A kustomization over ours, as k8s/README.md shows, which chooses the model and opens a port on the node."""
    environment = "/spec/template/spec/containers/0/env"
    chosen = [
        {"op": "replace", "path": f"{environment}/0/value", "value": MODEL},
        {"op": "replace", "path": f"{environment}/1/value", "value": "1"},
    ]
    exposed = [{"op": "add", "path": "/spec/type", "value": "NodePort"}]
    kustomization = {
        "resources": [os.path.relpath(OLDER, folder)],
        "patches": [
            {"target": {"kind": "Deployment"}, "patch": json.dumps(chosen)},
            {"target": {"kind": "Service"}, "patch": json.dumps(exposed)},
        ],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return folder


def _wait_for_two(node: Cluster, strategy: Strategy) -> None:
    """Until the rollout is through and two pods are ready: the autoscaler's least, told without any metrics."""
    deployment = f"deployment/servelab-{strategy.name}"
    ask(node, "rollout", "status", deployment, f"--timeout={SECONDS}s")
    deadline = time.monotonic() + SECONDS
    while ask(node, "get", deployment, "--output=jsonpath={.spec.replicas} {.status.readyReplicas}") != "2 2":
        assert time.monotonic() < deadline, ask(node, "describe", deployment)
        time.sleep(0.5)


def _pods(node: Cluster, strategy: Strategy) -> list[str]:
    selector = f"--selector=app.kubernetes.io/name={strategy.name}"
    return ask(node, "get", "pods", selector, "--output=name").split()


def _url(node: Cluster, strategy: Strategy) -> str:
    """The Service's address on this machine."""
    service = f"service/servelab-{strategy.name}"
    return f"http://127.0.0.1:{ask(node, 'get', service, '--output=jsonpath={.spec.ports[0].nodePort}')}"


def _groups(strategy: Strategy, model: str, without: Collection[str]) -> list[str]:
    """Patterns of the kit's checks, but for some groups."""
    groups = {check.name.partition("/")[0] for check in conformance.kit.checks(strategy, shared_models.load(model))}
    return [f"{group}/*" for group in sorted(groups - set(without))]


@each
def test_the_service_answers_as_the_model_does(node: Cluster, strategy: Strategy) -> None:
    with servelab.connect(_url(node, strategy), strategy.protocol, MODEL, "1") as client:
        golden = client.model.golden()
        assert difference(client.predict(golden.inputs), golden.outputs) == ""


@each
def test_a_pod_is_as_restricted_as_it_says(node: Cluster, strategy: Strategy) -> None:
    look = "id -u; grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; touch /x 2>&1; touch /tmp/x && echo x"
    told = ask(node, "exec", _pods(node, strategy)[0], "--", "sh", "-c", look)
    user, capabilities, no_new, seccomp, refused, written = told.replace("\t", "").splitlines()
    assert (user, no_new, seccomp, written) == ("10001", "NoNewPrivs:1", "Seccomp:2", "x")
    assert capabilities == "CapBnd:" + 16 * "0"
    assert "Read-only file system" in refused


@each
def test_the_conformance_kit_passes_through_a_port_forward(node: Cluster, strategy: Strategy) -> None:
    """All but the stop: it would be the port-forward's, which breaks what is in flight."""
    forward = ("kubectl", "--kubeconfig", str(node.kubeconfig), "port-forward", "--address", "{host}",
               f"service/servelab-{strategy.name}", "{port}:80")  # fmt: skip
    remote = replace(strategy, command=forward, env={})
    report = conformance.run(remote, MODEL, only=_groups(remote, MODEL, without={"lifecycle"}))
    assert report.ok, report.render()
    assert sum(result.outcome == "pass" for result in report.results) > 50


@each
def test_a_killed_pod_loses_no_request_that_is_retried_once(node: Cluster, strategy: Strategy) -> None:
    before = set(_pods(node, strategy))
    with Load(_url(node, strategy), MODEL, ["1"], retry=True) as load:
        time.sleep(1)
        ask(node, "delete", min(before), "--grace-period=0", "--force")
        _wait_for_two(node, strategy)
        time.sleep(1)
    assert min(before) not in _pods(node, strategy)
    assert load.outcome.failed == []
    assert load.outcome.right["1"] > 100


@each
def test_a_new_version_fails_no_request(node: Cluster, strategy: Strategy) -> None:
    deployment = f"deployment/servelab-{strategy.name}"
    with Load(_url(node, strategy), MODEL, ["1", "2"], retry=False) as load:
        time.sleep(1)
        ask(node, "set", "env", deployment, "MODEL_VERSION=2")
        ask(node, "rollout", "status", deployment, f"--timeout={SECONDS}s")
        time.sleep(LAST_STOPS)
    assert load.outcome.failed == []
    assert load.outcome.right["1"] > 0
    assert load.outcome.right["2"] > 0
    with servelab.connect(_url(node, strategy), strategy.protocol, MODEL, "2") as client:
        golden = client.model.golden()
        assert difference(client.predict(golden.inputs), golden.outputs) == ""


@pytest.fixture(scope="module")
def seldon(node: Cluster) -> Cluster:
    """The cluster as `make k8s-up` and `make k8s-seldon` leave it, but for Seldon's own programs."""
    with contextlib.closing(container.engine()) as engine:
        engine.images.build(path=str(ROOT), dockerfile="strategies/seldon/Dockerfile", tag=IMAGE, rm=True,
                            buildargs={"MODEL_NAME": "ModelInfer"})  # fmt: skip
    node.load(IMAGE)
    name_context(node, "servelab")
    ask(node, "create", "namespace", "seldon")
    return node


def _operate(node: Cluster, name: str) -> None:
    """What Seldon's operator does, once the SeldonDeployment is there."""
    deadline = time.monotonic() + SECONDS
    while (found := node.kubectl("get", "seldondeployment", name, "--namespace=seldon", "--output=json")).returncode:
        assert time.monotonic() < deadline, found.stderr
        time.sleep(0.5)
    ask(node, "apply", "--filename=-", text=operator.objects(json.loads(found.stdout)))
    ask(node, "rollout", "status", f"deployment/{name}-default-0-model", "--namespace=seldon", f"--timeout={SECONDS}s")
    ask(node, "patch", "seldondeployment", name, "--namespace=seldon", "--subresource=status", "--type=merge",
        "--patch", '{"status": {"state": "Available"}}')  # fmt: skip


def test_seldon_minikube_serves_what_stands_in_the_cluster(seldon: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for the operator, here the test itself, and passes the kit; the engine's own pages are not there."""
    monkeypatch.setenv("KUBECONFIG", str(seldon.kubeconfig))
    with ThreadPoolExecutor(1) as pool:
        operated = pool.submit(_operate, seldon, "servelab-iris-1")
        strategy = strategies.load("seldon-minikube")
        report = conformance.run(strategy, "iris", only=_groups(strategy, "iris", without={"pages"}))
        operated.result()
    assert report.ok, report.render()
