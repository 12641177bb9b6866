"""The Flask seed's own dialect: one row as named features, ``POST /predict`` -> ``{"result": [label]}``."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servelab.protocols.base import JSON, Request, from_json, to_array, to_json
from shared_models import InvalidInput, Model


def encode(batch: NDArray[Any], model: Model) -> Request:
    """The request for one row, shape (1, features); InvalidInput for more rows or a model without named features."""
    if not model.features or batch.shape != (1, len(model.features)):
        raise InvalidInput(
            f"the features dialect takes one row of {len(model.features)} named features; found shape {batch.shape}"
        )
    row = dict(zip(model.features, batch[0].tolist(), strict=True))
    return Request("POST", "/predict", JSON, to_json(row))


def decode(headers: Mapping[str, str], body: bytes) -> NDArray[Any]:  # noqa: ARG001 - one signature for all dialects
    """The label's index, shape (1,)."""
    return to_array(from_json(body, "result"), '"result" to be a list of labels', np.int64)
