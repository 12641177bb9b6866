"""The manifests say what the strategies say, and every server has the same care. Offline: kustomize alone."""

import copy
from typing import Any

import pytest

from servelab import container as images
from servelab.strategy import Strategy
from tests.k8s.overlays import OLDER, OVERLAYS, SERVED, build, container, needs_kubectl

pytestmark = needs_kubectl
each = pytest.mark.parametrize("strategy", SERVED, ids=lambda strategy: strategy.name)


def test_every_strategy_with_an_image_has_an_overlay() -> None:
    assert {folder.name for folder in OVERLAYS.iterdir()} == {s.name for s in SERVED} | {OLDER.name}


@each
def test_an_overlay_says_what_the_strategy_says(strategy: Strategy) -> None:
    server = container(build(OVERLAYS / strategy.name), strategy)
    assert server["image"] == images.tag(strategy)
    assert [port["containerPort"] for port in server["ports"]] == [strategy.port]
    probes = [server[probe]["httpGet"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert probes == [{"path": strategy.health, "port": "http"}] * 3


@each
def test_the_image_reads_what_the_manifest_sets(strategy: Strategy) -> None:
    names = {variable["name"] for variable in container(build(OVERLAYS / strategy.name), strategy)["env"]}
    dockerfile = (strategy.folder / "Dockerfile").read_text("utf-8")
    assert {name for name in names if f"{name}=" not in dockerfile} == set()


@each
def test_everything_selects_this_strategys_pods_alone(strategy: Strategy) -> None:
    objects = build(OVERLAYS / strategy.name)
    name = f"servelab-{strategy.name}"
    label = {"app.kubernetes.io/name": strategy.name}
    deployment = objects["Deployment", name]["spec"]
    assert deployment["selector"] == {"matchLabels": label}
    assert label.items() <= deployment["template"]["metadata"]["labels"].items()
    (spread,) = deployment["template"]["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"] == {"matchLabels": label}
    assert objects["Service", name]["spec"]["selector"] == label
    assert objects["PodDisruptionBudget", name]["spec"]["selector"] == {"matchLabels": label}
    assert objects["HorizontalPodAutoscaler", name]["spec"]["scaleTargetRef"]["name"] == name


@each
def test_a_pod_has_no_more_rights_than_it_needs(strategy: Strategy) -> None:
    """What the Pod Security Standard `restricted` asks for, and a file system that cannot be written."""
    objects = build(OVERLAYS / strategy.name)
    pod = objects["Deployment", f"servelab-{strategy.name}"]["spec"]["template"]["spec"]
    server = container(objects, strategy)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert f"USER {pod['securityContext']['runAsUser']}" in (strategy.folder / "Dockerfile").read_text("utf-8")
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert server["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [mount["mountPath"] for mount in server["volumeMounts"]] == ["/tmp"]  # noqa: S108 - the pod's own
    assert {"cpu", "memory"} == set(server["resources"]["requests"]) == set(server["resources"]["limits"])


@each
def test_a_stop_has_time_for_what_is_in_flight(strategy: Strategy) -> None:
    """The pause before the signal, and the 20 s that our servers finish their requests in."""
    objects = build(OVERLAYS / strategy.name)
    deployment = objects["Deployment", f"servelab-{strategy.name}"]["spec"]
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    program, seconds = container(objects, strategy)["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    assert deployment["template"]["spec"]["terminationGracePeriodSeconds"] >= int(seconds) + 20


def test_the_overlay_for_1_20_changes_two_versions_and_nothing_else() -> None:
    expected: dict[tuple[str, str], Any] = {}
    for strategy in SERVED:
        expected |= copy.deepcopy(build(OVERLAYS / strategy.name))
    for (kind, _), manifest in expected.items():
        manifest["apiVersion"] = {
            "HorizontalPodAutoscaler": "autoscaling/v2beta2",
            "PodDisruptionBudget": "policy/v1beta1",
        }.get(kind, manifest["apiVersion"])
    assert build(OLDER) == expected
