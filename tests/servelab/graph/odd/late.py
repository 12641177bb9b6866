"""A model that takes its time, or never comes up."""

import time
from typing import Any


class Late:
    """Answers after ``seconds``; ``load`` fails, or takes ``loading`` seconds."""

    def __init__(self, seconds: float = 0.0, loading: float = 0.0, broken: bool = False) -> None:
        self._seconds, self._loading, self._broken = seconds, loading, broken

    def load(self) -> None:
        """Called once in each worker."""
        if self._broken:
            raise RuntimeError("the flux capacitor is missing")
        time.sleep(self._loading)

    def predict(self, X: Any, features_names: object = None) -> Any:  # noqa: ARG002, N803 - Seldon's
        """The rows as they came."""
        time.sleep(self._seconds)
        return X
