"""V2, the Open Inference Protocol, with JSON tensors: MLServer, KServe, Triton.

Specification: Open Inference Protocol, REST API (inference request and response JSON objects).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servelab.protocols.base import JSON, DecodeError, Request, from_json, to_array, to_json
from shared_models import Model

# The protocol's names of the tensor types that have a numpy counterpart.
DATATYPES = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}
_NAMES = {np.dtype(dtype): name for name, dtype in DATATYPES.items()}


def encode(batch: NDArray[Any], model: Model) -> Request:
    """The infer request, on ``/v2/models/<name>/infer``, its one tensor's data flat and in row-major order."""
    tensor = describe(model.input.name, batch) | {"data": np.ascontiguousarray(batch).reshape(-1)}
    return Request("POST", path(model), JSON, to_json({"inputs": [tensor]}))


def decode(headers: Mapping[str, str], body: bytes) -> NDArray[Any]:  # noqa: ARG001 - one signature for all dialects
    """The first output tensor, in its declared shape and type."""
    tensor = first_output(from_json(body, "outputs"))
    dtype = datatype(tensor)
    data = tensor.get("data")
    if dtype is np.bool_ and isinstance(data, list) and all(isinstance(item, bool) for item in data):
        return shaped(np.asarray(data, np.bool_), tensor)
    return shaped(to_array(data, 'an output tensor\'s "data" to be numbers', dtype), tensor)


def path(model: Model) -> str:
    """Where a model's inferences are asked for."""
    return f"/v2/models/{model.name}/infer"


def describe(name: str, array: NDArray[Any]) -> dict[str, Any]:
    """A tensor's name, shape and datatype as the protocol writes them; ValueError for a type that it lacks."""
    if array.dtype not in _NAMES:
        raise ValueError(f"the V2 protocol has no datatype for {array.dtype}; it has: {', '.join(DATATYPES)}")
    return {"name": name, "shape": list(array.shape), "datatype": _NAMES[array.dtype]}


def first_output(outputs: Any) -> dict[str, Any]:
    """The first of the response's output tensors."""
    if not isinstance(outputs, list) or not outputs or not isinstance(outputs[0], dict):
        raise DecodeError(f'expected "outputs" to be a list of tensors; found {outputs!r:.200}')
    return outputs[0]


def datatype(tensor: dict[str, Any]) -> type[np.generic]:
    """The numpy type of a response tensor."""
    name = tensor.get("datatype")
    if name not in DATATYPES:
        raise DecodeError(f'expected a tensor\'s "datatype" to be one of {", ".join(DATATYPES)}; found {name!r}')
    return DATATYPES[name]


def shaped(flat: NDArray[Any], tensor: dict[str, Any]) -> NDArray[Any]:
    """The tensor's elements in its declared shape."""
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise DecodeError(f'expected a tensor\'s "shape" to be a list of sizes; found {shape!r}')
    if flat.size != np.prod(shape, dtype=np.int64):
        raise DecodeError(f"expected {shape} to hold {np.prod(shape, dtype=np.int64)} elements; found {flat.size}")
    return flat.reshape(shape)
