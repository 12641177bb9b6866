"""Seldon Core's dialect: ``{"data": {"ndarray": [...]}}`` both ways, on ``/api/v1.0/predictions``.

Specification: Seldon Core's external prediction API, version 1 (SeldonMessage in JSON). One component, the graph runner
and a cluster's engine answer alike; an ingress adds a prefix, which belongs into the client's URL.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servelab.protocols import v2
from servelab.protocols.base import JSON, DecodeError, Request, from_json, to_array, to_json
from shared_models import Model

PATH = "/api/v1.0/predictions"


def encode(batch: NDArray[Any], model: Model) -> Request:  # noqa: ARG001 - one signature for all dialects
    """The request for a batch, as an ndarray: nested lists."""
    return Request("POST", PATH, JSON, to_json({"data": {"ndarray": np.ascontiguousarray(batch)}}))


def decode(headers: Mapping[str, str], body: bytes) -> NDArray[Any]:  # noqa: ARG001 - one signature for all dialects
    """The predictions, shape (N, classes), whether they come as an ndarray or as a tensor."""
    data = from_json(body, "data")
    tensor = data.get("tensor") if isinstance(data, dict) else None
    if isinstance(tensor, dict):
        return v2.shaped(to_array(tensor.get("values"), '"tensor" to hold "values", a list of numbers'), tensor)
    if not isinstance(data, dict) or "ndarray" not in data:
        raise DecodeError(f'expected "data" to hold an ndarray or a tensor; found {data!r:.200}')
    return to_array(data["ndarray"], '"ndarray" to be a list of rows of numbers')
