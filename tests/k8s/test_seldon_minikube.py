"""strategies/seldon-minikube, as far as it goes without a cluster."""

import string
from pathlib import Path

import pytest

import servelab
from servelab import strategy as strategies
from servelab.errors import StartFailed
from servelab.graph import manifest
from tests.k8s import programs
from tests.k8s.overlays import needs_kubectl
from tests.k8s.programs import PREPARE, RUN

preparation = programs.load(PREPARE)
who = strategies.load("seldon-minikube")


@pytest.mark.parametrize("model", who.models)
def test_the_manifest_is_a_graph_that_the_command_reaches(model: str, tmp_path: Path) -> None:
    text = string.Template((who.folder / "model.yaml").read_text("utf-8")).substitute(model=model, version="2")
    (tmp_path / "model.yaml").write_text(text)
    (deployment,) = manifest.read(tmp_path / "model.yaml")
    (predictor,) = deployment.predictors
    assert [p.value for p in predictor.graph.parameters] == [model, "2"]
    command = who.filled(who.command, {"model": model, "version": "2", "host": "127.0.0.1", "port": 8007})
    assert f"service/{deployment.name}-{predictor.name}" in command
    assert command[command.index("--namespace") + 1] == deployment.namespace


def test_the_image_is_one_that_k8s_seldon_makes() -> None:
    run = programs.load(RUN)
    (line,) = [line for line in (who.folder / "model.yaml").read_text("utf-8").splitlines() if " image: " in line]
    assert line.split()[1] in run.images()
    assert preparation.CONTEXT == run.PROFILE == who.command[who.command.index("--context") + 1]


@needs_kubectl
def test_without_a_cluster_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(
        StartFailed, match="no cluster answers as kubectl's context servelab; make one with: make k8s-up"
    ):
        servelab.serve(who, "iris")


def test_without_kubectl_it_says_where_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(preparation.NotReady, match="kubectl is not on PATH; get it at"):
        preparation.prepare("iris", "1")


def test_a_brought_model_is_refused() -> None:
    with pytest.raises(
        preparation.NotReady, match="expected a shared model, which the image holds; found the folder /m"
    ):
        preparation.prepare("/m", "1")
