"""V2, the Open Inference Protocol, with binary tensors: a JSON header, then the tensors' bytes, little-endian.

Specification: the protocol's binary tensor data extension (Triton, MLServer): the header's length stands in
``Inference-Header-Content-Length``, a tensor's in its ``binary_data_size`` parameter.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servelab.protocols import v2
from servelab.protocols.base import DecodeError, Request, from_json, to_json
from shared_models import Model

HEADER_LENGTH = "Inference-Header-Content-Length"


def encode(batch: NDArray[Any], model: Model) -> Request:
    """The infer request with its one tensor as raw bytes; asks for raw bytes in return."""
    data = little_endian(batch).tobytes()
    tensor = v2.describe(model.input.name, batch) | {"parameters": {"binary_data_size": len(data)}}
    header = to_json({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    headers = (("Content-Type", "application/octet-stream"), (HEADER_LENGTH, str(len(header))))
    return Request("POST", v2.path(model), headers, header + data)


def decode(headers: Mapping[str, str], body: bytes) -> NDArray[Any]:
    """The first output tensor; a server that answers JSON tensors all the same is understood too."""
    length = headers.get(HEADER_LENGTH.lower())
    if length is None:
        return v2.decode(headers, body)
    if not length.isascii() or not length.isdigit() or int(length) > len(body):
        raise DecodeError(f"expected {HEADER_LENGTH} to be at most the body's {len(body)} bytes; found {length!r}")
    header, data = body[: int(length)], body[int(length) :]
    tensor = v2.first_output(from_json(header, "outputs"))
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    dtype = np.dtype(v2.datatype(tensor)).newbyteorder("<")
    if not isinstance(size, int) or not 0 <= size <= len(data) or size % dtype.itemsize:
        raise DecodeError(f"expected a binary_data_size in whole {dtype} and at most {len(data)} bytes; found {size!r}")
    return v2.shaped(np.frombuffer(data[:size], dtype), tensor).astype(dtype.newbyteorder("="))


def little_endian(array: NDArray[Any]) -> NDArray[Any]:
    """The array in the byte order and layout of the wire."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
