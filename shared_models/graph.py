"""Opening an artifact: the bytes that the card names, as a graph that onnxruntime runs, with the card's ends."""

import hashlib
from pathlib import Path
from typing import Any

from shared_models.card import FILE as CARD, Card, Tensor
from shared_models.errors import ModelError, first_line, shape_text

GRAPH = "model.onnx"

_DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64"}


def open_graph(folder: Path, card: Card) -> tuple[Any, type[Exception]]:
    """An onnxruntime session on one thread, and the exception by which it refuses a batch.

    Raises `ModelError` when the file is absent, is not the one of ``card``, is no graph, or has other ends.
    """
    path = folder / GRAPH
    graph = _checked_bytes(path, card.sha256)
    # onnxruntime takes long to import: who only asks which models there are does not pay for it.
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # one request, one thread: workers are the unit of parallelism everywhere
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong arrives as an exception
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base below Exception
        raise ModelError(f"{path}: expected a graph that onnxruntime can run; found: {first_line(error)}") from None
    _compare(folder, "input", card.input, session.get_inputs())
    _compare(folder, "output", card.output, session.get_outputs())
    return session, InvalidArgument


def _checked_bytes(path: Path, expected: str) -> bytes:
    """The bytes of the artifact; they, and not the file, are then loaded: nothing can change in between."""
    try:
        graph = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: expected the ONNX file of the card, found {error.strerror or error}") from None
    found = hashlib.sha256(graph).hexdigest()
    if found != expected:
        raise ModelError(
            f"{path} is not the artifact of its card: expected SHA-256 {expected}, found {found}; "
            f"restore the file, or, if it is meant to be new, write its hash into {CARD}"
        )
    return graph


def _compare(folder: Path, end: str, card: Tensor, graph: list[Any]) -> None:
    """Refuse a graph whose input or output is not the card's; a size that the graph leaves open agrees with any."""
    found = {node.name: node for node in graph}
    if card.name not in found:
        raise _disagree(folder, f"{end}.name", repr(card.name), f"{', '.join(map(repr, found))}")
    if end == "input" and len(graph) > 1:
        raise _disagree(folder, end, "a graph with one input", f"{len(graph)}: {', '.join(found)}")
    node = found[card.name]
    dtype = _DTYPES.get(node.type, node.type)
    if dtype != card.dtype:
        raise _disagree(folder, f"{end}.dtype", card.dtype, dtype)
    sizes = tuple(size if isinstance(size, int) else None for size in node.shape)
    agree = len(sizes) == len(card.shape) and all(
        size in (None, wanted) for size, wanted in zip(sizes, card.shape, strict=True)
    )
    if not agree:
        raise _disagree(folder, f"{end}.shape", shape_text(card.shape), shape_text(sizes))


def _disagree(folder: Path, key: str, card: str, graph: str) -> ModelError:
    return ModelError(f"{folder}: card and graph disagree on {key}: {CARD} says {card}, {GRAPH} has {graph}")
