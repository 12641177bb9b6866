"""One model behind BentoML: the V1 protocol, and for a model that takes images an upload at /classify.

Run it with `bentoml serve` (see README.md). The environment sets what is served (see store.py), WORKERS, the processes
that answer, and BATCHING=on, with which each of them puts what is asked at the same time into one batch.
"""

import gc
import os
from typing import Any

import bentoml
from bentoml.models import BentoModel
from edge import Edge
from numpy.typing import NDArray
from served import card, model, refusals, stored
from wire import Instances, Predictions, Upload

from shared_models.mnist import sentence

# Seconds from a request's head to its answer, then 504. BentoML keeps what belongs to a request for as long, answered
# or not, some 5 kB: at 1,000 requests/s each second costs 5 MB, and pauses of the garbage collector grow with it.
TIMEOUT = 10
# With batching: milliseconds that a request may wait before it is given up with a 503, and rows in a batch.
PATIENCE, BATCH = 1000, 1000

route = f"/v1/models/{card.name}:predict"


@bentoml.service(
    name=card.name,
    workers=int(os.environ.get("WORKERS") or 1),
    traffic={"timeout": TIMEOUT},
    logging={"access": {"enabled": False}},
)
class Classifier:
    """The served model as a service."""

    stored = BentoModel(stored.tag)

    def __init__(self) -> None:
        model()
        gc.collect()  # what is here now stays: the collector need not look at it again, nor at the rest so often
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)

    @bentoml.api(  # type: ignore[untyped-decorator]
        route=route,
        input_spec=Instances,
        output_spec=Predictions,
        batchable=os.environ.get("BATCHING") == "on",
        max_batch_size=BATCH,
        max_latency_ms=PATIENCE,
    )
    async def predict(self, instances: NDArray[Any]) -> NDArray[Any]:
        """Probabilities, one row per instance."""
        with refusals():
            return model().predict(instances)

    if card.takes_images:
        # No coroutine: an image takes its time, and takes it in a thread, one after another.
        @bentoml.api(input_spec=Upload)  # type: ignore[untyped-decorator]
        def classify(self, image: bytes) -> list[str]:
            """The digit on an image of any size and kind, in a sentence."""
            with refusals():
                (label,) = model().predict([model().preprocess(image)]).argmax(axis=1)
            return [sentence(card.labels[label])]


Classifier.add_asgi_middleware(Edge, model=card.name, route=route)  # type: ignore[attr-defined]
