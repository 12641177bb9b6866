"""What the prepackaged SKLEARN_SERVER is here: its parameters, and a stored model in place of a pickle."""

from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
from refusing import bad_parameter, refusing
from seldon_core.user_model import SeldonComponent  # type: ignore[import-untyped]

from shared_models import Model, load

METHODS = ("predict_proba", "predict")


class SKLearnServer(SeldonComponent):  # type: ignore[misc]
    """MODEL: (N, features) rows to (N, classes) probabilities, or with ``method`` "predict" to (N,) class numbers.

    ``model_uri`` is a folder, or its file:// address, with a card.json and the ONNX graph whose hash the card holds.
    Seldon's own image unpickles a model.joblib of scikit-learn 0.24.2 there, which runs whatever is in it.
    """

    def __init__(self, model_uri: str, method: str = METHODS[0]) -> None:
        super().__init__()
        if method not in METHODS:
            raise bad_parameter("method", " or ".join(METHODS), method)
        parts = urlsplit(model_uri)
        self._folder = unquote(parts.path) if parts.scheme == "file" else model_uri
        self._method = method
        self._model: Model | None = None

    def load(self) -> Model:
        """Load the graph and compare it with its card. Raises ModelError."""
        self._model = load(self._folder)
        return self._model

    @refusing()
    def predict(self, X: Any, features_names: object = None, meta: object = None) -> np.ndarray[Any, Any]:
        """Probabilities or class numbers, under the names t:0, t:1, ... that the prepackaged server gives."""
        answer = (self._model or self.load()).predict(X)
        return answer if self._method == "predict_proba" else answer.argmax(axis=1)
