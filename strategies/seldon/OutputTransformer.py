"""After the model: probabilities to words."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from refusing import refusing
from seldon_core.user_model import SeldonComponent  # type: ignore[import-untyped]

from shared_models import InvalidInput, load_card


class OutputTransformer(SeldonComponent):  # type: ignore[misc]
    """OUTPUT_TRANSFORMER: (N, classes) probabilities to (N,) labels, the likeliest of each row, as strings.

    ``container_name`` and ``run_name`` name the stored model whose labels they are. It is the parent of the model, or
    of the router of an A/B test: an output transformer acts when the answer of its children comes back.
    """

    def __init__(self, container_name: str, run_name: str = "") -> None:
        super().__init__()
        self._labels = np.array(load_card(container_name, run_name).labels)

    @refusing()
    def transform_output(self, X: Any, features_names: object = None, meta: object = None) -> NDArray[np.str_]:
        """The label of each row of probabilities."""
        rows = np.asarray(X)
        if rows.dtype.kind not in "fiu" or rows.ndim != 2 or rows.shape[1] != len(self._labels):
            found = f"shape {rows.shape}" if rows.dtype.kind in "fiu" else "what is no numbers"
            raise InvalidInput(f"expected probabilities of shape (N, {len(self._labels)}); found {found}")
        return self._labels[rows.argmax(axis=1)]  # type: ignore[no-any-return]
