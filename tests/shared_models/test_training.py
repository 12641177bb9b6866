"""Training: the accuracies that are promised, the safety of writing, and the same again from the same seed."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from servelab import environment
from shared_models import Model, load
from shared_models.artifact import Trained
from shared_models.iris.train import cross_validated

from .conftest import ROOT

MODELS = ROOT / "shared_models"


def test_iris_by_cross_validation(iris: Model) -> None:
    accuracy = cross_validated()
    assert accuracy >= 0.95
    assert abs(accuracy - iris.card.accuracy["value"]) <= 0.002


@pytest.mark.parametrize("version", ["1", "2"])
def test_mnist_on_the_test_images(mnist_files: Any, version: str) -> None:
    model = load("mnist", version)
    found = model.predict(mnist_files.test_images.astype(np.float32) / np.float32(255)).argmax(axis=1)
    accuracy = float((found == mnist_files.test_labels).mean())
    assert abs(accuracy - model.card.accuracy["value"]) <= 0.0002
    assert accuracy >= 0.975 if version == "1" else 0.85 <= accuracy <= 0.92


def test_nothing_is_written_unless_graph_and_framework_agree(iris: Model, tmp_path: Path) -> None:
    golden = iris.golden()
    graph = (iris.folder / "model.onnx").read_bytes()
    card = {"name": "iris", "version": "1", "input": iris.input, "output": iris.output, "labels": iris.labels}
    with pytest.raises(AssertionError, match=r"differ by .*; expected at most 1e-05"):
        Trained(card, graph, golden.inputs, golden.outputs + np.float32(2e-5)).write(tmp_path / "no")
    assert not (tmp_path / "no").exists()
    Trained(card, graph, golden.inputs, golden.outputs).write(tmp_path / "yes")
    again = load(tmp_path / "yes").golden()
    assert np.array_equal(again.inputs, golden.inputs)
    assert np.array_equal(again.outputs, golden.outputs)


@pytest.mark.train
@pytest.mark.timeout(300)
@pytest.mark.skipif(
    not os.environ.get("SERVELAB_TRAIN"), reason="builds the training environment; set SERVELAB_TRAIN=1"
)
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Of the models without TensorFlow; the cards name the versions that trained, which are those of the lock."""
    env = environment.training()
    command = [str(env.ensure()), "-m", "shared_models.train", "animals", "iris", "--output", str(tmp_path)]
    subprocess.run(command, cwd=MODELS.parent, check=True, env=env.variables())
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*"))
    assert len(made) == 2 * 2 * 3
    assert [path for path in made if (tmp_path / path).read_bytes() != (MODELS / path).read_bytes()] == []


@pytest.mark.train
@pytest.mark.timeout(900)
@pytest.mark.skipif(not os.environ.get("SERVELAB_TRAIN"), reason="retrains for minutes; set SERVELAB_TRAIN=1")
@pytest.mark.usefixtures("mnist_files")
def test_the_same_seed_gives_the_same_accuracy(tmp_path: Path) -> None:
    env = environment.training()
    command = [str(env.ensure()), "-m", "shared_models.train", "--output", str(tmp_path / "models")]
    subprocess.run(command, cwd=MODELS.parent, check=True, env=env.variables())
    for card in sorted(MODELS.glob("*/*/card.json")):
        stored, again = (json.loads((root / card.relative_to(MODELS)).read_text(encoding="utf-8"))["accuracy"]
                         for root in (MODELS, tmp_path / "models"))  # fmt: skip
        assert abs(stored["value"] - again["value"]) <= 0.002, card
        assert load(tmp_path / "models" / card.parent.relative_to(MODELS)).golden()
    samples = {path.name for path in (MODELS / "mnist" / "samples").iterdir()}
    assert samples == {path.name for path in (tmp_path / "models" / "mnist" / "samples").iterdir()}
