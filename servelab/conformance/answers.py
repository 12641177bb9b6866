"""Right answers: equal to the model's goldens within a tolerance, with equal labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from servelab.errors import ConformanceError
from servelab.server import Server

TOLERANCE = 1e-5  # absolute, on probabilities: float32 through JSON keeps 1e-7, another build of the runtime 1e-6


def difference(answer: NDArray[Any], expected: NDArray[Any]) -> str:
    """How an answer differs from the expected one, naming the largest difference and its row; empty when right.

    Probabilities, shape (N, classes), may differ by TOLERANCE and must have the same labels; whole numbers are labels.
    """
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
    golden = server.model.golden()
    if own := difference(server.model.predict(golden.inputs), golden.outputs):
        raise ConformanceError(f"{server.model.folder}: golden.json does not agree with its own model.onnx: {own}")
    batched = difference(server.predict(golden.inputs), golden.outputs)
    _require(server, "all goldens in one batch", batched)
    answers = [server.predict(row[np.newaxis]) for row in golden.inputs]
    for index, answer in enumerate(answers):
        if answer.shape != golden.outputs[:1].shape:
            _require(server, f"golden {index} alone", difference(answer, golden.outputs[:1]))
    _require(server, "each golden alone", difference(np.concatenate(answers), golden.outputs))


def _require(server: Server, what: str, problem: str) -> None:
    if problem:
        raise ConformanceError(
            f"{server.strategy.name} answers otherwise than {server.model.name} itself, {what}: {problem}"
        )


def _short(row: NDArray[Any]) -> str:
    return np.array2string(row, precision=6, threshold=12, max_line_width=200)
