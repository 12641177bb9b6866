"""Bring your own: any folder with a graph, a card and sample inputs is a model."""

import re
from typing import Any

import numpy as np
import pytest

from shared_models import InvalidInput, ModelError, load

from . import onnx_bytes
from .conftest import Folder

WEIGHTS = np.random.default_rng(1).normal(size=(6, 2)).astype(np.float32)
ANSWER = {"name": "p", "shape": [None, 2], "dtype": "float32"}


def _ends(dtype: str = "float32", row: tuple[int | None, ...] = (6,), **more: Any) -> dict[str, Any]:
    entry = {"name": "x", "shape": [None, *row], "dtype": dtype}
    return {"input": entry, "output": ANSWER, "labels": ["no", "yes"]} | more


def _softmax(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("row", [(6,), (2, 3), (1, 2, 3)])
def test_any_input_dtype_and_shape(brought: Folder, dtype: str, row: tuple[int, ...]) -> None:
    batch = np.arange(12, dtype=dtype).reshape(2, *row)
    folder = brought(
        onnx_bytes.softmax_regression(WEIGHTS, dtype, row), {"inputs": batch.tolist()}, **_ends(dtype, row)
    )
    model = load(folder)
    golden = model.golden()
    expected = _softmax(batch.reshape(2, 6).astype(np.float32) @ WEIGHTS)
    assert (model.name, model.version, model.labels) == ("mine", "7", ("no", "yes"))
    assert np.abs(model.predict(batch.tolist()) - expected).max() < 1e-5
    assert golden.inputs.dtype == dtype
    assert golden.inputs.shape == batch.shape
    assert np.array_equal(golden.outputs, model.predict(batch))


def test_outputs_that_are_given_are_the_golden_ones(brought: Folder) -> None:
    stored = {"inputs": [[1, 2, 3, 4, 5, 6]], "outputs": [[0.25, 0.75]]}
    golden = load(brought(onnx_bytes.softmax_regression(WEIGHTS), stored, **_ends())).golden()
    assert golden.outputs.tolist() == [[0.25, 0.75]]


def test_an_open_size_takes_any(brought: Folder) -> None:
    graph = onnx_bytes.softmax_regression(WEIGHTS, row=(None, 3))
    model = load(brought(graph, {"inputs": []}, **_ends(row=(None, 3))))
    assert model.predict(np.ones((4, 2, 3))).shape == (4, 2)
    with pytest.raises(InvalidInput, match=re.escape("mine expects numbers of shape (N, N, 3)")):
        model.predict(np.ones((4, 2, 2)))
    with pytest.raises(InvalidInput, match=re.escape("shape (4, 6)")):
        model.predict(np.ones((4, 6)))


def test_a_card_may_say_more_than_the_graph(brought: Folder) -> None:
    graph = onnx_bytes.softmax_regression(WEIGHTS, row=(None, None))
    assert load(brought(graph, {"inputs": []}, **_ends(row=(2, 3)))).predict(np.ones((1, 2, 3))).shape == (1, 2)


def test_a_fixed_batch_is_refused(brought: Folder) -> None:
    graph = onnx_bytes.softmax_regression(WEIGHTS, batch=1)
    with pytest.raises(ModelError, match=r"disagree on input.shape: card.json says \(N, 6\), model.onnx has \(1, 6\)"):
        load(brought(graph, {"inputs": []}, **_ends()))


def test_two_inputs_are_refused(brought: Folder) -> None:
    ends = [onnx_bytes.end(name, "float32", (None, 2)) for name in ("x", "y")]
    graph = onnx_bytes.model(
        [onnx_bytes.node("Add", ["x", "y"], ["p"])], ends, [onnx_bytes.end("p", "float32", (None, 2))], []
    )
    with pytest.raises(ModelError, match=r"disagree on input: card.json says a graph with one input.*x, y"):
        load(brought(graph, {"inputs": []}, **_ends(row=(2,))))


def test_the_output_of_the_card_is_found_among_several(brought: Folder) -> None:
    """A scikit-learn export gives labels first and probabilities second."""
    nodes = [onnx_bytes.node("ArgMax", ["x"], ["label"], axis=1), onnx_bytes.node("Softmax", ["x"], ["p"], axis=1)]
    outputs = [onnx_bytes.end("label", "int64", (None, 1)), onnx_bytes.end("p", "float32", (None, 2))]
    graph = onnx_bytes.model(nodes, [onnx_bytes.end("x", "float32", (None, 2))], outputs, [])
    model = load(brought(graph, {"inputs": []}, **_ends(row=(2,))))
    assert np.abs(model.predict([[0, 0], [0, 1]]) - _softmax(np.array([[0, 0], [0, 1]]))).max() < 1e-6


def test_probabilities_in_double_precision_come_back_single(brought: Folder) -> None:
    nodes = [onnx_bytes.node("Softmax", ["x"], ["p"], axis=1)]
    ends = [onnx_bytes.end(name, "float64", (None, 2)) for name in ("x", "p")]
    graph = onnx_bytes.model(nodes, ends[:1], ends[1:], [])
    model = load(brought(graph, {"inputs": []}, **_ends("float64", (2,), output=ANSWER | {"dtype": "float64"})))
    assert model.predict([[1, 1]]).dtype == np.float32


def test_a_dtype_that_cards_do_not_have_is_named(brought: Folder) -> None:
    graph = onnx_bytes.softmax_regression(WEIGHTS, "int32")
    with pytest.raises(ModelError, match=r"input.dtype: card.json says int64, model.onnx has tensor\(int32\)"):
        load(brought(graph, {"inputs": []}, **_ends("int64")))


@pytest.mark.parametrize("number", [0.5, -1e30, 2.0**63, 2**63, 2**64 - 1])
def test_integers_are_not_rounded(brought: Folder, number: float) -> None:
    model = load(brought(onnx_bytes.softmax_regression(WEIGHTS, "int64"), {"inputs": []}, **_ends("int64")))
    assert model.predict([[1.0, 2.0, 3.0, 0, 0, -5.0]]).shape == (1, 2)
    with pytest.raises(InvalidInput, match="fractions or numbers outside its range"):
        model.predict([[0, 0, 0, 0, 0, number]])


def test_integers_that_are_not_numbers_are_refused(brought: Folder) -> None:
    model = load(brought(onnx_bytes.softmax_regression(WEIGHTS, "int64"), {"inputs": []}, **_ends("int64")))
    with pytest.raises(InvalidInput):
        model.predict([[0, 0, 0, 0, 0, float("nan")]])


def test_what_only_the_graph_can_refuse(brought: Folder, capfd: pytest.CaptureFixture[str]) -> None:
    table = np.eye(3, 2, dtype=np.float32)
    entry = {"name": "index", "shape": [None, 1], "dtype": "int64"}
    model = load(brought(onnx_bytes.lookup(table), {"inputs": [[0], [2]]}, **_ends(input=entry)))
    assert model.predict([[0], [1], [2]]).argmax(axis=1).tolist()[:2] == [0, 1]
    with pytest.raises(InvalidInput, match=r"the graph of mine refused the batch: .*out of data bounds") as refusal:
        model.predict([[3]])
    assert "\n" not in str(refusal.value)
    assert model.predict([[1]]).argmax() == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("row", [(28, 28), (784,), (1, 28, 28), (28, 28, 1)])
def test_images_for_any_layout_of_28x28(brought: Folder, row: tuple[int, ...]) -> None:
    weights = np.zeros((784, 2), np.float32)
    card = _ends(row=row, takes_images=True)
    model = load(brought(onnx_bytes.softmax_regression(weights, row=row), {"inputs": []}, **card))
    image = model.preprocess((load("mnist").folder.parent / "samples" / "1.jpg").read_bytes())
    assert image.shape == row
    assert model.predict(image[None]).shape == (1, 2)


def test_images_for_integers_are_refused(brought: Folder) -> None:
    graph = onnx_bytes.softmax_regression(np.zeros((784, 2), np.float32), "int64")
    with pytest.raises(ModelError, match=r"input.dtype: expected a float, as takes_images is true"):
        load(brought(graph, {"inputs": []}, **_ends("int64", (784,), takes_images=True)))
