"""V1: ``{"instances": [...]}`` -> ``{"predictions": [...]}``, spoken by TF Serving, KServe, Vertex AI and MLflow.

Specification: TensorFlow Serving's RESTful API, row format.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servelab.protocols.base import JSON, Request, from_json, to_array, to_json
from shared_models import Model


def encode(batch: NDArray[Any], model: Model) -> Request:
    """The predict request of the V1 dialect, on ``/v1/models/<name>:predict``."""
    body = to_json({"instances": np.ascontiguousarray(batch)})
    return Request("POST", f"/v1/models/{model.name}:predict", JSON, body)


def decode(headers: Mapping[str, str], body: bytes) -> NDArray[Any]:  # noqa: ARG001 - one signature for all dialects
    """The predictions, shape (N, classes)."""
    return to_array(from_json(body, "predictions"), '"predictions" to be a list of rows of numbers')
