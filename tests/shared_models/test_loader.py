"""Which models there are, and what the loader refuses."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shared_models import Model, ModelError, available, load, load_card

EVERY = [(name, version) for name, versions in available().items() for version in versions]


def test_the_models() -> None:
    assert available() == {"animals": ("1", "2"), "iris": ("1", "2"), "mnist": ("1", "2")}


@pytest.mark.parametrize(("name", "version"), EVERY)
def test_goldens_are_met(name: str, version: str) -> None:
    model = load(name, version)
    golden = model.golden()
    answers = model.predict(golden.inputs)
    assert (model.name, model.version) == (name, version)
    assert np.abs(answers - golden.outputs).max() <= 1e-5
    assert (answers.argmax(axis=1) == golden.outputs.argmax(axis=1)).all()
    assert golden.inputs.dtype == golden.outputs.dtype == answers.dtype == np.float32


def test_golden_sizes(iris: Model, mnist: Model) -> None:
    assert load("animals").golden().inputs.shape == (100, 8)
    assert iris.golden().inputs.shape == (150, 4)
    assert mnist.golden().inputs.shape == (50, 28, 28)


def test_the_versions_of_mnist_answer_differently() -> None:
    first, second = load("mnist", "1"), load("mnist", "2")
    assert np.abs(first.golden().outputs - second.golden().outputs).max() > 0.1
    assert np.array_equal(first.golden().inputs, second.golden().inputs)


def test_an_empty_version_is_the_default() -> None:
    assert load("mnist", "").version == load("mnist").version == "1"


def test_unknown_model_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model 'irsi'.*animals, iris, mnist.*folder"):
        load("irsi")
    with pytest.raises(ModelError, match=r"no model ''"):
        load("")
    with pytest.raises(ModelError, match=r"no model"):
        load(tmp_path / "absent")


def test_unknown_version_names_those_that_exist() -> None:
    with pytest.raises(ModelError, match=r"mnist has no version '3'; there are 1, 2"):
        load("mnist", "3")


def test_a_folder_is_a_model(iris: Model, iris_folder: Path) -> None:
    copy = load(iris_folder)
    inputs = iris.golden().inputs
    assert np.array_equal(copy.predict(inputs), iris.predict(inputs))
    assert load(str(iris_folder), "1").folder == iris_folder


def test_a_card_is_read_without_its_graph(iris_folder: Path) -> None:
    (iris_folder / "model.onnx").unlink()
    assert load_card(iris_folder).labels == load_card("iris", "1").labels
    with pytest.raises(ModelError, match=r"iris has no version '3'; there are 1, 2"):
        load_card("iris", "3")


def test_a_folder_of_another_version_is_refused(iris_folder: Path) -> None:
    with pytest.raises(ModelError, match=r"holds version '1' of iris, not '2'"):
        load(iris_folder, "2")


def test_another_artifact_is_refused_with_both_hashes(iris_folder: Path) -> None:
    path = iris_folder / "model.onnx"
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    changed = bytearray(path.read_bytes())
    changed[-40] ^= 1
    path.write_bytes(changed)
    with pytest.raises(ModelError) as refusal:
        load(iris_folder)
    assert expected in str(refusal.value)
    assert hashlib.sha256(changed).hexdigest() in str(refusal.value)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("file", ["model.onnx", "card.json"])
def test_an_absent_file_is_named(iris_folder: Path, file: str) -> None:
    (iris_folder / file).unlink()
    with pytest.raises(ModelError, match=rf"{file}.*No such file"):
        load(iris_folder)


def test_an_absent_golden_file_is_named(iris_folder: Path) -> None:
    (iris_folder / "golden.json").unlink()
    model = load(iris_folder)
    with pytest.raises(ModelError, match=r"golden.json is missing: expected a few sample inputs"):
        model.golden()


def test_what_is_no_graph_is_refused_in_one_line(edit_card: Callable[..., Path]) -> None:
    folder = edit_card(sha256=hashlib.sha256(b"no graph").hexdigest())
    (folder / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match=r"model.onnx: expected a graph") as refusal:
        load(folder)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("golden", "message"),
    [
        ({"input": [[1, 2, 3, 4]]}, "inputs"),
        ([], "inputs"),
        ({"inputs": [[1, 2, 3]]}, r"inputs: iris expects numbers of shape \(N, 4\)"),
        ({"inputs": [[1, 2, 3, None]]}, "inputs: iris expects"),
        ({"inputs": [[1, 2, 3, 4]], "outputs": [[0.5, 0.5]]}, r"outputs: expected .*\(1, 3\)"),
        ({"inputs": [[1, 2, 3, 4]], "outputs": [[0.5, 0.5, 0.0], [1.0]]}, "outputs: expected"),
        ({"inputs": [[1, 2, 3, 4]], "outputs": [["0.5", "0.5", "0"]]}, "outputs: expected"),
        ({"inputs": [[1, 2, 3, 4]], "raw": [["dog"]]}, "raw: expected none, as card.json has no preprocessor; found 1"),
    ],
)
def test_a_bad_golden_file_is_refused(iris_folder: Path, golden: object, message: str) -> None:
    (iris_folder / "golden.json").write_text(json.dumps(golden))
    with pytest.raises(ModelError, match=rf"golden.json.*{message}"):
        load(iris_folder).golden()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([["dgo", 0, 4, 0.2, 0.79]], "raw: species: expected one of"),
        ([["dog", 0, 5, 0.2, 0.79]], "raw: expected the rows that the preprocessor makes the inputs of"),
        ({"dog": 4}, "raw: expected raw rows"),
    ],
)
def test_raw_rows_must_be_those_of_the_inputs(tmp_path: Path, raw: object, message: str) -> None:
    folder = Path(shutil.copytree(load("animals").folder, tmp_path / "animals"))
    stored = json.loads((folder / "golden.json").read_text())
    kept = {key: values[:1] for key, values in stored.items()}
    (folder / "golden.json").write_text(json.dumps(kept))
    assert load(folder).golden().raw == (("dog", 0, 4, 0.2, 0.79),)
    (folder / "golden.json").write_text(json.dumps(kept | {"raw": raw}))
    with pytest.raises(ModelError, match=rf"golden.json.*{message}"):
        load(folder).golden()


def _fresh(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)


def test_importing_loads_numpy_alone() -> None:
    loaded = _fresh("import sys, shared_models; shared_models.available(); print(*sys.modules)").stdout.split()
    assert "numpy" in loaded
    assert not {"onnxruntime", "PIL", "sklearn", "onnx", "keras", "tensorflow"} & set(loaded)


def test_predicting_loads_no_pillow() -> None:
    program = "import sys, shared_models; shared_models.load('iris').predict([[1, 2, 3, 4]]); print(*sys.modules)"
    loaded = _fresh(program).stdout.split()
    assert "onnxruntime" in loaded
    assert not {"PIL", "sklearn"} & set(loaded)


def test_nothing_is_printed() -> None:
    program = (
        "import shared_models as s\nm = s.load('mnist')\nm.predict(m.golden().inputs)\n"
        "try: m.predict([[1]])\nexcept s.InvalidInput: pass"
    )
    done = _fresh(program)
    assert done.stdout == done.stderr == ""
