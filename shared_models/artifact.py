"""Writing a trained model down: the ONNX graph built node by node, the card, the golden file. For training alone."""

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_models.card import FILE as CARD, Card, Tensor
from shared_models.graph import GRAPH
from shared_models.model import GOLDEN

OPSET = 13
IR_VERSION = 8  # onnx's default is newer than onnxruntime 1.26 reads; this pair is read by every server we compare
TOLERANCE = 1e-5

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]


def dense_graph(entry: Tensor, exit_: Tensor, layers: Sequence[Layer]) -> bytes:
    """An ONNX model: flattened rows, ``layers`` of weights (in, out) and bias (out,) with Relu between, Softmax."""
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes, constants = [], []
    current = entry.name
    if len(entry.shape) > 2:
        nodes.append(helper.make_node("Flatten", [current], ["flat"], axis=1))
        current = "flat"
    for number, (weights, bias) in enumerate(layers, start=1):
        names = [f"weights{number}", f"bias{number}"]
        constants += [
            numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name)
            for array, name in zip((weights, bias), names, strict=True)
        ]
        nodes.append(helper.make_node("Gemm", [current, *names], [f"dense{number}"]))
        current = f"dense{number}"
        if number < len(layers):
            nodes.append(helper.make_node("Relu", [current], [f"relu{number}"]))
            current = f"relu{number}"
    nodes.append(helper.make_node("Softmax", [current], [exit_.name], axis=-1))
    ends = [helper.make_tensor_value_info(t.name, TensorProto.FLOAT, ["N", *t.shape[1:]]) for t in (entry, exit_)]
    graph = helper.make_graph(nodes, "model", ends[:1], ends[1:], constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="shared_models"
    )
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def libraries(*names: str) -> dict[str, str]:
    """The versions that trained, for the card."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}


def noisy(labels: NDArray[Any], share: float, seed: int) -> NDArray[Any]:
    """Labels, (N,), of which chance has replaced a share, 0..1, by others that occur; the same for the same seed."""
    random = np.random.default_rng(seed)
    replaced = random.random(len(labels)) < share
    return np.where(replaced, random.choice(np.unique(labels), len(labels)), labels)


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model, ready to be written: all of its card but the hash, the graph, and the framework's answers.

    ``raw`` holds the rows of ``inputs`` as they were before the card's preprocessor, where it has one.
    """

    card: dict[str, Any]
    graph: bytes
    inputs: NDArray[np.float32]
    outputs: NDArray[np.float32]
    raw: Sequence[Sequence[str | float]] = ()

    def write(self, folder: Path) -> None:
        """Model, card and golden file into ``folder``; nothing is written unless graph and framework agree."""
        _assert_agreement(self.graph, self.inputs, self.outputs)
        sha256 = hashlib.sha256(self.graph).hexdigest()
        # Through Card: a key that the loader would refuse fails here.
        card = Card(sha256=sha256, **self.card)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / GRAPH).write_bytes(self.graph)
        stated = {key: value for key, value in asdict(card).items() if value is not None}
        (folder / CARD).write_text(json.dumps(stated, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        golden = {"inputs": _shortest(self.inputs), "outputs": _shortest(self.outputs)}
        if self.raw:
            golden["raw"] = self.raw
        (folder / GOLDEN).write_text(json.dumps(golden, separators=(",", ":")) + "\n", encoding="utf-8")


def _assert_agreement(graph: bytes, inputs: NDArray[np.float32], outputs: NDArray[np.float32]) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: inputs})
    worst = float(np.abs(found - outputs).max())
    if worst > TOLERANCE or not np.array_equal(found.argmax(axis=1), outputs.argmax(axis=1)):
        raise AssertionError(f"the ONNX graph and the framework differ by {worst}; expected at most {TOLERANCE}")


def _shortest(array: NDArray[np.float32]) -> Any:
    """Nested lists whose numbers print as the shortest text that reads back as the same float32."""
    if array.ndim:
        return [_shortest(row) for row in array]
    return float(str(array))
