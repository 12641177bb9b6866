"""ONNX files without the onnx package, which only the training environment has: just enough of protobuf.

Field numbers are those of onnx.proto (IR version 8). A message is the bytes of its fields, one after another.
"""

import struct
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

DTYPES = {"float32": 1, "int32": 6, "int64": 7, "float64": 11}  # TensorProto.DataType


def model(
    nodes: Iterable[bytes], inputs: Iterable[bytes], outputs: Iterable[bytes], constants: Iterable[bytes]
) -> bytes:
    """A ModelProto of opset 13."""
    graph = b"".join(_message(1, node) for node in nodes) + _message(2, b"test")
    graph += b"".join(_message(5, constant) for constant in constants)
    graph += b"".join(_message(11, end) for end in inputs) + b"".join(_message(12, end) for end in outputs)
    return _number(1, 8) + _message(7, graph) + _message(8, _number(2, 13))


def node(operator: str, inputs: Sequence[str], outputs: Sequence[str], **integers: int) -> bytes:
    """A NodeProto; its attributes are integers."""
    content = b"".join(_message(1, name.encode()) for name in inputs)
    content += b"".join(_message(2, name.encode()) for name in outputs) + _message(4, operator.encode())
    for name, value in integers.items():
        content += _message(5, _message(1, name.encode()) + _number(3, value) + _number(20, 2))
    return content


def end(name: str, dtype: str, shape: Sequence[int | None]) -> bytes:
    """A ValueInfoProto; None is a size left open."""
    sizes = (_message(2, b"open") if size is None else _number(1, size) for size in shape)
    tensor = _number(1, DTYPES[dtype]) + _message(2, b"".join(_message(1, size) for size in sizes))
    return _message(1, name.encode()) + _message(2, _message(1, tensor))


def constant(name: str, array: NDArray[np.generic]) -> bytes:
    """A TensorProto."""
    sizes = b"".join(_number(1, size) for size in array.shape)
    return sizes + _number(2, DTYPES[array.dtype.name]) + _message(8, name.encode()) + _message(9, array.tobytes())


def softmax_regression(
    weights: NDArray[np.float32],
    dtype: str = "float32",
    row: Sequence[int | None] | None = None,
    batch: int | None = None,
    names: tuple[str, str] = ("x", "p"),
) -> bytes:
    """softmax(flatten(x) @ weights), weights (width, classes), for x of any dtype and shape (batch, *row)."""
    width, classes = weights.shape
    given, answered = names
    to_float = DTYPES["float32"]
    nodes = [
        node("Cast", [given], ["float"], to=to_float),
        node("Flatten", ["float"], ["flat"], axis=1),
        node("MatMul", ["flat", "weights"], ["scores"]),
        node("Softmax", ["scores"], [answered], axis=1),
    ]
    inputs = [end(given, dtype, (batch, *(row or (width,))))]
    return model(nodes, inputs, [end(answered, "float32", (batch, classes))], [constant("weights", weights)])


def lookup(table: NDArray[np.float32]) -> bytes:
    """softmax(table[x]) for x (N, 1) int64: an index outside the table is something only the graph can refuse."""
    nodes = [
        node("Gather", ["table", "index"], ["found"], axis=0),
        node("Flatten", ["found"], ["flat"], axis=1),
        node("Softmax", ["flat"], ["p"], axis=1),
    ]
    inputs = [end("index", "int64", (None, 1))]
    return model(nodes, inputs, [end("p", "float32", (None, table.shape[1]))], [constant("table", table)])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    groups = bytearray()
    while True:
        value, group = value >> 7, value & 0x7F
        groups += struct.pack("B", group | (0x80 if value else 0))
        if not value:
            return bytes(groups)
