"""Cards: what ours say, and what a card may not say."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared_models import Model, ModelError, available, load
from shared_models.iris.train import FEATURES

from .conftest import ROOT

EVERY = [(name, version) for name, versions in available().items() for version in versions]


@pytest.mark.parametrize(("name", "version"), EVERY)
def test_a_card_tells_the_whole_story(name: str, version: str) -> None:
    model = load(name, version)
    card = model.card
    assert (card.name, card.version) == (model.folder.parent.name, model.folder.name)
    assert card.sha256 == hashlib.sha256((model.folder / "model.onnx").read_bytes()).hexdigest()
    assert card.summary
    assert card.data["source"]
    assert card.data["licence"]
    assert 0.8 < card.accuracy["value"] < 1
    assert card.accuracy["n"] >= 150
    assert card.accuracy["how"]
    assert isinstance(card.training["seed"], int)
    assert card.training["how"]
    assert {"python", "numpy", "onnx"} < set(card.libraries)
    assert all(re.fullmatch(r"\d+(\.\w+)+", number) for number in card.libraries.values())


def test_what_the_models_take_and_give(iris: Model, mnist: Model) -> None:
    assert (iris.input.shape, iris.input.dtype, iris.output.shape) == ((None, 4), "float32", (None, 3))
    assert iris.features == FEATURES
    assert iris.labels == ("setosa", "versicolor", "virginica")
    assert not iris.takes_images
    assert (mnist.input.shape, mnist.input.dtype, mnist.output.shape) == ((None, 28, 28), "float32", (None, 10))
    assert mnist.labels == tuple("0123456789")
    assert mnist.features == ()
    assert mnist.takes_images


def test_version_2_of_mnist_is_visibly_weaker_and_says_so() -> None:
    first, second = load("mnist", "1").card, load("mnist", "2").card
    assert first.accuracy["value"] >= 0.975
    assert 0.85 <= second.accuracy["value"] <= 0.92
    assert "Weaker" in second.summary


def test_the_coefficients_in_the_card_are_the_model(iris: Model) -> None:
    golden, parameters = iris.golden(), iris.card.parameters
    scores = golden.inputs @ np.array(parameters["coefficients"]).T + np.array(parameters["intercepts"])
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    assert np.abs(odds / odds.sum(axis=1, keepdims=True) - golden.outputs).max() < 1e-4


def test_artifacts_are_small() -> None:
    for path in (ROOT / "shared_models").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.stat().st_size < 1_000_000, path


TENSOR = {"name": "features", "shape": [None, 4], "dtype": "float32"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ...}, r"the key 'labels' is missing; required are name, version, sha256, input, output, labels$"),
        ({"colour": "red"}, r"unknown key 'colour'; allowed are name, version, sha256"),
        ({"name": "a/b"}, r"name: expected letters.*found \"a/b\""),
        ({"version": 1}, r"version: expected letters.*found 1"),
        ({"sha256": "abc"}, r"sha256: expected 64 .* digits.*found \"abc\""),
        ({"input": "x"}, r"input: expected an object"),
        ({"input": TENSOR | {"layout": "NC"}}, r"input: expected an object"),
        ({"input": TENSOR | {"name": ""}}, r"input.name: expected a non-empty string"),
        ({"input": TENSOR | {"shape": [4]}}, r"input.shape: expected null \(the batch\).*found \[4\]"),
        ({"input": TENSOR | {"shape": [1, 4]}}, r"input.shape: expected null \(the batch\).*found \[1, 4\]"),
        ({"input": TENSOR | {"shape": [None, 0]}}, r"input.shape: expected"),
        ({"input": TENSOR | {"shape": [None, True]}}, r"input.shape: expected"),
        ({"input": TENSOR | {"dtype": "float16"}}, r"input.dtype: expected one of float32, float64, int64; found"),
        ({"output": TENSOR | {"dtype": "int64"}}, r"output.dtype: expected one of float32, float64; found"),
        ({"labels": ["a", "b"]}, r"output.shape: expected \[null, 2\].*found \[null, 3\]"),
        ({"labels": ["a", "b", 3]}, r"labels: expected a list of non-empty strings"),
        ({"labels": ["a", "b", "a"]}, r"labels: expected a list without repetitions"),
        ({"features": ["a", "b"]}, r"features: expected one name per column"),
        ({"takes_images": 1}, r"takes_images: expected true or false; found 1"),
        ({"takes_images": True}, r"input.shape: expected 784 values per row"),
        ({"summary": None}, r"summary: expected a string; found null"),
        ({"data": "UCI"}, r"data: expected an object; found \"UCI\""),
    ],
)
def test_a_bad_card_is_refused_by_file_and_key(
    edit_card: Callable[..., Path], changes: dict[str, Any], message: str
) -> None:
    folder = edit_card(**changes)
    with pytest.raises(ModelError, match=message) as refusal:
        load(folder)
    assert str(folder / "card.json") in str(refusal.value)


COLUMNS = [{"name": "kind", "categories": ["cat", "dog"]}, {"name": "legs", "minimum": 0, "maximum": 4}]
CASES: list[tuple[Any, str]] = [
    (COLUMNS, r"preprocessor: expected an object \{\"columns\""),
    ({"columns": COLUMNS, "pickle": "x"}, r"preprocessor: expected an object"),
    ({"columns": {}}, r"preprocessor: expected an object"),
    ({"columns": ["kind"]}, r"preprocessor.columns\[0\]: expected .*found \"kind\""),
    ({"columns": [{"categories": ["cat"]}]}, r"preprocessor.columns\[0\]: expected"),
    ({"columns": [{"name": "kind", "categories": "cat"}]}, r"columns\[0\].categories: expected a list of non-empty"),
    ({"columns": [{"name": "kind", "categories": ["a", "a"]}]}, r"columns\[0\].categories: .*without repetitions"),
    ({"columns": [*COLUMNS, {"name": "x", "minimum": 1, "maximum": 1}]}, r"columns\[2\]: .*low below high"),
    ({"columns": [{"name": "x", "minimum": 0, "maximum": float("inf")}]}, r"columns\[0\]: expected"),
    ({"columns": [{"name": "x", "minimum": "0", "maximum": 4}]}, r"columns\[0\]: expected"),
    ({"columns": [{"name": 1, "minimum": 0, "maximum": 4}]}, r"columns\[0\]: expected"),
    (
        {"columns": COLUMNS},
        r"features: expected the columns that the preprocessor makes, \['kind_cat', 'kind_dog', 'le",
    ),
]


@pytest.mark.parametrize(("preprocessor", "message"), CASES)
def test_a_bad_preprocessor_is_refused_by_its_column(
    edit_card: Callable[..., Path], preprocessor: Any, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        load(edit_card(preprocessor=preprocessor))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"iris"', "[" * 100_000, "\ufeff{}", '{"name": "\ud800"}'])
def test_what_is_no_json_object_is_refused(iris_folder: Path, text: str) -> None:
    path = iris_folder / "card.json"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(ModelError, match=re.escape(str(path))):
        load(iris_folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input": TENSOR | {"name": "x"}}, r"disagree on input.name: card.json says 'x', model.onnx has 'features'"),
        ({"input": TENSOR | {"dtype": "float64"}}, r"disagree on input.dtype: card.json says float64, .* has float32"),
        ({"input": TENSOR | {"shape": [None, 5]}, "features": []}, r"input.shape: .*says \(N, 5\), .* has \(N, 4\)"),
        ({"input": TENSOR | {"shape": [None, 2, 2]}, "features": []}, r"input.shape: card.json says \(N, 2, 2\)"),
        ({"input": TENSOR | {"shape": [None, None]}, "features": []}, r"input.shape: card.json says \(N, N\)"),
        ({"output": {"name": "p", "shape": [None, 3], "dtype": "float32"}}, r"output.name: .*has 'probabilities'"),
        (
            {"output": {"name": "probabilities", "shape": [None, 3], "dtype": "float64"}},
            r"output.dtype: card.json says float64, model.onnx has float32",
        ),
        (
            {"output": {"name": "probabilities", "shape": [None, 2], "dtype": "float32"}, "labels": ["a", "b"]},
            r"output.shape: card.json says \(N, 2\), model.onnx has \(N, 3\)",
        ),
    ],
)
def test_card_and_graph_must_agree(edit_card: Callable[..., Path], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load(edit_card(**changes))


def test_no_mnist_image_is_committed(mnist_files: Any) -> None:
    """Neither as a golden input nor as a sample."""
    originals = {image.tobytes() for images in (mnist_files.train_images, mnist_files.test_images) for image in images}
    model = load("mnist")
    rows = list(model.golden().inputs)
    samples = sorted((ROOT / "shared_models" / "mnist" / "samples").iterdir())
    rows += [model.preprocess(sample.read_bytes()) for sample in samples]
    assert samples
    assert not any(np.rint(row * 255).astype(np.uint8).tobytes() in originals for row in rows)


def test_cards_are_json_that_people_can_read() -> None:
    for name, version in EVERY:
        text = (ROOT / "shared_models" / name / version / "card.json").read_text(encoding="utf-8")
        assert json.loads(text)["name"] == name
        assert text.count("\n") > 20
