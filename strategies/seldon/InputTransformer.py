"""Before the model: raw rows to the rows that it takes."""

from collections.abc import Iterable
from typing import Any

from refusing import refusing
from seldon_core.user_model import SeldonComponent  # type: ignore[import-untyped]

from shared_models import load_card


class InputTransformer(SeldonComponent):  # type: ignore[misc]
    """TRANSFORMER: (N, columns) raw rows to the (N, width) float32 input of the model, by its stored preprocessor.

    ``container_name`` and ``run_name`` name the stored model and its version. What was fitted with it (one-hot and
    min-max) stands in its card: nothing is unpickled, and the model itself is not loaded. The data of a model without
    a preprocessor passes as it is, so that one graph serves every model.
    """

    def __init__(self, container_name: str, run_name: str = "") -> None:
        super().__init__()
        self._card = load_card(container_name, run_name)

    @refusing()
    def transform_input(self, X: Any, features_names: object = None, meta: object = None) -> Any:
        """``X`` comes as numpy makes it of JSON: an array of strings where a row mixes strings and numbers."""
        preprocessor = self._card.preprocessor
        return preprocessor.transform(X) if preprocessor else X

    def class_names(self) -> Iterable[str]:
        """The names of the columns that it gives; without any, the wrapper writes t:0, t:1, ..."""
        return self._card.features or super().class_names()
