"""k8s/minikube/run.py: what it would do, in which order, and what it says when something is missing or fails.

No minikube and no Helm run here: their part is the printed commands, and stand-ins that write down their calls.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.k8s import programs
from tests.k8s.overlays import needs_kubectl
from tests.k8s.programs import MINIKUBE, RUN
from tests.k8s.stand_ins import StandIns

HERE = Path(__file__).parent
TARGETS = ("up", "seldon", "down")
run = programs.load(RUN)


def call(target: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, RUN, target], env=dict(environment), capture_output=True, text=True,
                          check=False, timeout=60)  # fmt: skip


def commands(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("target", TARGETS)
def test_dry_prints_every_command_and_runs_none(target: str, tmp_path: Path) -> None:
    stand_ins = StandIns(tmp_path, "minikube", "helm", "kubectl", "docker")
    done = call(target, stand_ins.environment(more={"DRY": "1"}))
    assert done.stdout == (HERE / "commands" / f"{target}.txt").read_text("utf-8")
    assert (done.returncode, done.stderr, stand_ins.calls) == (0, "", [])


def test_every_wait_is_bounded() -> None:
    for target in run.TARGETS.values():
        for step in target():
            assert 0 < step.seconds <= 1200
            for flag in re.findall(r"--(?:wait-)?timeout[= ](\d+)m", str(step)):
                assert int(flag) * 60 < step.seconds, "the program should tell before it is ended"
            assert ("--wait" in str(step) or " wait " in str(step)) == ("timeout" in str(step)) or "rollout" in str(
                step
            )


def test_up_runs_what_it_prints(tmp_path: Path) -> None:
    stand_ins = StandIns(tmp_path, "minikube", "helm", "kubectl", version=run.MINIKUBE)
    for _ in range(2):  # and again: no command minds what is there
        done = call("up", stand_ins.environment())
        assert done.returncode == 0, done.stderr
    assert stand_ins.calls == 2 * commands((HERE / "commands" / "up.txt").read_text("utf-8"))


def test_missing_programs_are_all_named_with_where_to_get_them(tmp_path: Path) -> None:
    done = call("up", StandIns(tmp_path, "kubectl").environment())
    assert done.returncode == 1
    assert "https://github.com/kubernetes/minikube/releases/tag/v" in done.stderr
    assert "https://helm.sh/" in done.stderr
    assert "kubectl:" not in done.stderr


def test_another_minikube_is_refused(tmp_path: Path) -> None:
    stand_ins = StandIns(tmp_path, "minikube", "helm", "kubectl", version="v1.20.0")
    done = call("up", stand_ins.environment())
    assert (done.returncode, stand_ins.calls) == (1, [])
    assert f"expected minikube {run.MINIKUBE}; found 'v1.20.0'" in done.stderr


def test_a_step_that_fails_ends_it_and_says_where_to_look(tmp_path: Path) -> None:
    stand_ins = StandIns(tmp_path, "minikube", "helm", "kubectl", version=run.MINIKUBE, fails="istiod")
    done = call("up", stand_ins.environment())
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "exited 1: helm upgrade --install istiod istiod" in done.stderr
    assert "kubectl --context servelab --namespace istio-system get pods,events" in done.stderr
    assert "istiod" in stand_ins.calls[-1]


def test_a_step_that_hangs_is_ended() -> None:
    with pytest.raises(run.Failed, match=r"did not end within 1 s: sleep 60\nlook at\n  the clock"):
        run.run(run.Step("", ("sleep", "60"), 1, ("the clock",)))


def test_an_unknown_target_is_named() -> None:
    done = call("u", os.environ)
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected one of up, seldon, down; found 'u'" in done.stderr


def keys(tree: Any, path: str = "") -> Iterator[str]:
    """The dotted paths of the leaves."""
    for key, value in tree.items():
        yield from keys(value, f"{path}{key}.") if isinstance(value, dict) and value else [f"{path}{key}"]


def known() -> set[str]:
    """The keys of the chart at hand, or those that we wrote down."""
    chart = os.environ.get("SERVELAB_SELDON_CHART")
    if chart:
        assert yaml.safe_load((Path(chart) / "Chart.yaml").read_text("utf-8"))["version"] == run.SELDON
        return set(keys(yaml.safe_load((Path(chart) / "values.yaml").read_text("utf-8"))))
    lines = (HERE / "seldon-core-operator-keys.txt").read_text("utf-8").splitlines()
    return {line for line in lines if not line.startswith("#")}


@pytest.mark.parametrize(("folder", "least"), [("minikube", 4), ("pipelines", 2)])
def test_the_values_are_keys_of_the_chart(folder: str, least: int) -> None:
    """Helm would take a misspelt one without a word: the chart has no schema of its values."""
    ours = set(keys(yaml.safe_load((MINIKUBE.parent / folder / "seldon-core-values.yaml").read_text("utf-8"))))
    assert len(ours) >= least
    assert ours - known() == set()


def test_the_image_of_the_pipelines_server_is_the_one_that_the_readme_builds() -> None:
    values = yaml.safe_load((MINIKUBE.parent / "pipelines" / "seldon-core-values.yaml").read_text("utf-8"))
    server = values["predictor_servers"]["SKLEARN_SERVER"]["protocols"]["seldon"]
    image = f"{server['image']}:{server['defaultImageVersion']}"
    readme = (MINIKUBE.parent / "README.md").read_text("utf-8")
    assert f"--build-arg MODEL_NAME=SKLearnServer --tag {image} ." in readme


def test_the_gateway_is_the_one_that_seldon_binds_to() -> None:
    namespace, gateway = yaml.safe_load_all((MINIKUBE / "ingress.yaml").read_text("utf-8"))
    values = yaml.safe_load((MINIKUBE / "seldon-core-values.yaml").read_text("utf-8"))
    assert values["istio"]["gateway"] == f"{gateway['metadata']['namespace']}/{gateway['metadata']['name']}"
    graphs = yaml.safe_load((MINIKUBE / "kustomization.yaml").read_text("utf-8"))
    assert namespace["metadata"]["name"] == graphs["namespace"]


@needs_kubectl
def test_the_graphs_can_run_on_a_laptop() -> None:
    """In the namespace that exists, from images that were copied there, with no more than there is."""
    done = subprocess.run(run._kustomized(run.GRAPHS), cwd=run.ROOT, capture_output=True, text=True, check=True)
    graphs = list(yaml.safe_load_all(done.stdout))
    assert {graph["metadata"]["namespace"] for graph in graphs} == {"seldon"}
    specs = [spec for graph in graphs for predictor in graph["spec"]["predictors"]
             for spec in predictor.get("componentSpecs", [])]  # fmt: skip
    containers = [container for spec in specs for container in spec["spec"]["containers"]]
    assert {container["image"] for container in containers} == set(run.images())
    assert {container["imagePullPolicy"] for container in containers} == {"IfNotPresent"}
    assert [container for container in containers if "resources" in container] == []


def test_an_image_that_no_component_makes_is_named() -> None:
    assert run.component("servelab/model-infer:1") == "ModelInfer"
    with pytest.raises(run.Failed, match=r"servelab/modle-infer:1: expected a name of .*ModelInfer"):
        run.component("servelab/modle-infer:1")
