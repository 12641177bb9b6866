"""Right answers: equal to the model's goldens within a tolerance, with equal labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import shared_models
from servelab.errors import ConformanceError
from servelab.server import Server
from servelab.start import is_brought
from servelab.strategy import Strategy
from shared_models import Golden, Model

TOLERANCE = 1e-5  # absolute, on probabilities: float32 through JSON keeps 1e-7, another build of the runtime 1e-6


def right(strategy: Strategy, model: Model) -> Golden:
    """The goldens of the model that a strategy serves; of an A/B test the outputs of each of its versions.

    outputs: (N, classes), or (versions, N, classes) of which an answer must be any one, for the whole of its batch.
    Raises ConformanceError when the versions have not the same inputs.
    """
    golden = model.golden()
    if not strategy.versions or is_brought(model):
        return golden
    versions = [shared_models.load(model.name, version).golden() for version in strategy.versions]
    if any(not np.array_equal(each.inputs, golden.inputs) for each in versions):
        raise ConformanceError(f"expected the versions {', '.join(strategy.versions)} of {model.name} to have the same "
                               "inputs in their golden.json; found others")  # fmt: skip
    return Golden(golden.inputs, np.stack([each.outputs for each in versions]))


def difference(answer: NDArray[Any], expected: NDArray[Any]) -> str:
    """How an answer differs from the expected one, naming the largest difference and its row; empty when right.

    Probabilities, shape (N, classes), may differ by TOLERANCE and must have the same labels; whole numbers are labels.
    Of several expected answers, shape (versions, N, classes), any one will do.
    """
    if expected.ndim == 3:
        problems = [difference(answer, each) for each in expected]
        return "" if "" in problems else f"the answer of no version: {problems[0]}"
    if answer.shape != expected.shape:
        return f"expected an answer of shape {expected.shape}; found shape {answer.shape}"
    if expected.dtype.kind == "i":
        wrong = np.flatnonzero(answer != expected)[:1]
        return f"expected label {expected[wrong]} at index {wrong}; found {answer[wrong]}" if wrong.size else ""
    gaps = np.nan_to_num(np.abs(answer - expected), nan=np.inf).max(axis=1)
    worst = int(gaps.argmax())
    if gaps[worst] > TOLERANCE:
        return (
            f"the largest difference is {gaps[worst]:.3g} (allowed {TOLERANCE:g}) at index {worst}: "
            f"expected {_short(expected[worst])}; found {_short(answer[worst])}"
        )
    labels = np.flatnonzero(answer.argmax(axis=1) != expected.argmax(axis=1))
    return f"another label at index {labels[0]}: expected {_short(expected[labels[0]])}" if labels.size else ""


def parity(server: Server) -> None:
    """Ask for every golden in one batch, then for each alone, in the strategy's own dialect.

    Raises ConformanceError naming the strategy, the largest difference and its index; RequestFailed when the server
    does not answer at all.
    """
    own = server.model.golden()
    if problem := difference(server.model.predict(own.inputs), own.outputs):
        raise ConformanceError(f"{server.model.folder}: golden.json does not agree with its own model.onnx: {problem}")
    golden = right(server.strategy, server.model)
    batched = difference(server.predict(golden.inputs), golden.outputs)
    _require(server, "all goldens in one batch", batched)
    for index, row in enumerate(golden.inputs):
        alone = difference(server.predict(row[np.newaxis]), golden.outputs[..., index : index + 1, :])
        _require(server, f"golden {index} alone", alone)


def _require(server: Server, what: str, problem: str) -> None:
    if problem:
        raise ConformanceError(
            f"{server.strategy.name} answers otherwise than {server.model.name} itself, {what}: {problem}"
        )


def _short(row: NDArray[Any]) -> str:
    return np.array2string(row, precision=6, threshold=12, max_line_width=200)
