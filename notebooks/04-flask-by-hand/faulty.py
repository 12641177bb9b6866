"""The learner's server, the one of the working folder, on a model that fails by itself: whatever is sent is right."""

from typing import Any

from shared_models import Model

answers = Model.predict
healthy = True  # while the server starts: it may try its model


def predict(self: Model, batch: Any) -> Any:
    """What the model answers; nothing once it has lost its memory."""
    if healthy:
        return answers(self, batch)
    raise MemoryError("this model's memory is gone, and no request is to blame")


Model.predict = predict
from server import app  # noqa: E402, F401 - after the above, for it loads its model at once

healthy = False
