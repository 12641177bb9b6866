"""The compiled pipeline against a real graph runner: a bad model is refused, a good one answers, a wrong one goes."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from servelab.paths import ROOT
from tests.pipelines.running import DEPLOYMENTS, ask, graph_runner
from tests.pipelines.test_argo_run import cli

ROW = [5.1, 3.5, 1.4, 0.2]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with graph_runner(tmp_path_factory.mktemp("runner") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def run(runner: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    if not os.environ.get("SERVELAB_TRAIN"):
        pytest.skip("set SERVELAB_TRAIN=1: the pipeline trains in the training environment")
    volumes = tmp_path_factory.mktemp("volumes")

    def start(**parameters: object) -> subprocess.CompletedProcess[str]:
        given = {
            "model": "iris",
            "name": "iris",
            "minimum": 0.9,
            "uri": "",
            "api": runner,
            "seconds": 3.2,
            **parameters,
        }
        words = [word for name, value in given.items() for word in ("-p", f"{name}={value}")]
        folder = tmp_path_factory.mktemp("run") / "files"
        return cli("run", str(ROOT / "pipelines" / "v1" / "pipeline.yaml"), "--runner", runner, *words, "--volumes",
                   str(volumes), "--folder", str(folder), "--interval", "0.2", timeout=240)  # fmt: skip

    start.volumes = volumes  # type: ignore[attr-defined]
    return start


def deployed(runner: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = ask(f"{runner}{DEPLOYMENTS}/iris")
    return found


def predicted(url: str) -> list[float]:
    (row,) = ask(url, {"data": {"ndarray": [ROW]}})["data"]["ndarray"]
    return [float(value) for value in row]


def test_a_sabotaged_training_is_refused_at_the_gate(run: Run, runner: str) -> None:
    done = run(label_noise=1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the model is refused: accuracy" in done.stdout
    assert "condition-good-enough-2 Skipped: not (false == true)" in done.stdout
    assert "default/iris: nothing to roll back" in done.stdout
    assert deployed(runner) is None


def test_a_good_model_is_deployed_answers_and_is_kept_when_the_next_one_is_wrong(run: Run, runner: str) -> None:
    good = run(version=1)
    assert good.returncode == 0, good.stdout + good.stderr
    first = deployed(runner)
    assert first is not None
    answer = predicted(first["status"]["address"]["url"])
    golden = json.loads((ROOT / "shared_models" / "iris" / "1" / "golden.json").read_text())
    assert golden["inputs"][0] == ROW
    assert answer == pytest.approx(golden["outputs"][0], abs=1e-5)
    volumes: Path = run.volumes  # type: ignore[attr-defined]
    record = json.loads((volumes / "servelab-store" / "promoted" / "default" / "iris.json").read_text())
    assert record["version"] == first["metadata"]["labels"]["app.kubernetes.io/version"]

    # Version 2 is deployed, but the smoke test expects the answers of version 1.
    wrong = run(version=2, answers=ROOT / "shared_models" / "iris" / "1")
    assert wrong.returncode == 1, wrong.stdout + wrong.stderr
    assert "✓ deploy Succeeded" in wrong.stdout
    assert re.search(r"✗ smoke Failed .* answers otherwise than iris 1 itself", wrong.stdout)
    assert "- promote Omitted" in wrong.stdout
    assert f"back to version {record['version']}" in wrong.stdout
    after = deployed(runner)
    assert after is not None
    assert after["spec"] == first["spec"]
    assert predicted(after["status"]["address"]["url"]) == answer
    assert json.loads((volumes / "servelab-store" / "promoted" / "default" / "iris.json").read_text()) == record
