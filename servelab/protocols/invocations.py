"""MLflow's dialect: ``POST /invocations``, which is also how Amazon SageMaker asks a container for predictions.

Specification: MLflow's documentation of the local inference server, accepted input formats, sent in the form that
MLflow's own client takes: a table as ``dataframe_split``, a tensor as ``inputs``.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servelab.protocols.base import JSON, DecodeError, Request, from_json, to_array, to_json
from shared_models import Model

PATH = "/invocations"


def encode(batch: NDArray[Any], model: Model) -> Request:
    """The request for a batch: with the columns' names where the model has names for them, else as bare rows."""
    rows = np.ascontiguousarray(batch)
    table = {"dataframe_split": {"columns": model.features, "data": rows}} if model.features else {"inputs": rows}
    return Request("POST", PATH, JSON, to_json(table))


def decode(headers: Mapping[str, str], body: bytes) -> NDArray[Any]:  # noqa: ARG001 - one signature for all dialects
    """The predictions, shape (N, classes); a graph's flavour nests them under the name of the graph's output."""
    predictions = from_json(body, "predictions")
    if isinstance(predictions, dict):
        if len(predictions) != 1:
            raise DecodeError(f'expected "predictions" to hold one output; found {", ".join(predictions) or "none"}')
        (predictions,) = predictions.values()
    return to_array(predictions, '"predictions" to be a list of rows of numbers')
