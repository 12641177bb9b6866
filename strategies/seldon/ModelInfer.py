"""A stored model, behind Seldon's wrapper."""

import time
from collections.abc import Iterable
from typing import Any

from refusing import bad_parameter, refusing
from seldon_core.user_model import SeldonComponent, SeldonResponse  # type: ignore[import-untyped]

from shared_models import Model, load, load_card


class ModelInfer(SeldonComponent):  # type: ignore[misc]
    """MODEL: (N, ...) rows to (N, classes) probabilities, under the labels as names.

    ``container_name`` and ``run_name`` name the stored model and its version; a folder is a model, too. The constructor
    runs once, in the process that forks, and reads the card alone; ``load`` runs in each worker and loads the graph.
    ``tags`` adds to the answer which model and version gave it. ``metrics`` adds a counter of rows and a timer, which
    the stock command keeps in a process of its own.
    """

    def __init__(self, container_name: str, run_name: str = "", tags: bool = False, metrics: bool = False) -> None:
        super().__init__()
        self._card = load_card(container_name, run_name)
        self._asked = container_name, run_name
        self._tags = {"model": self._card.name, "version": self._card.version} if _switch("tags", tags) else {}
        self._measures = _switch("metrics", metrics)
        self._model: Model | None = None

    def load(self) -> Model:
        """Load the graph and compare it with its card. Raises ModelError."""
        self._model = load(*self._asked)
        return self._model

    @refusing()
    def predict(self, X: Any, features_names: object = None, meta: object = None) -> Any:
        """The probabilities, with tags and metrics where they are on."""
        model = self._model or self.load()  # the wrapper calls load(); who calls predict() by hand need not
        start = time.perf_counter()
        answer = model.predict(X)
        if not self._tags and not self._measures:
            return answer
        milliseconds = 1000 * (time.perf_counter() - start)
        return SeldonResponse(answer, self._tags, _metrics(len(answer), milliseconds) if self._measures else None)

    def class_names(self) -> Iterable[str]:
        """The names of the columns of the answer."""
        return self._card.labels


def _metrics(rows: int, milliseconds: float) -> list[dict[str, Any]]:
    return [
        {"type": "COUNTER", "key": "model_rows_total", "value": rows},
        {"type": "TIMER", "key": "model_seconds", "value": milliseconds},  # Seldon takes ms and shows s
    ]


def _switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise bad_parameter(name, "true or false (type BOOL)", value)
    return value
