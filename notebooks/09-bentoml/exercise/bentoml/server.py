"""The seed's service.py, to be ported to BentoML 1.4: one class, `Classifier`, with two APIs.

    predict   POST /v1/models/mnist:predict, rows in, probabilities out
    classify  POST /classify, an image in, the seed's sentence out; of a model that takes images

Three modules beside this one are given, and need no change:

    served    what is served: `card`, `stored` (its entry in the store), `model()`, and `refusals()`, which makes
              a wrong row a 400
    wire      how bodies are read and answers written: `Instances`, `Predictions`, `Upload`
    edge      a limit for bodies, and words for a 404
"""

import os

import bentoml
from edge import Edge
from served import card, model, refusals, stored
from wire import Instances, Predictions, Upload

from shared_models.mnist import sentence

# starter: # From here to the last line this is the program of 2022.
# starter: import numpy as np
# starter: from bentoml.io import Image, NumpyNdarray
# solution: begin
from typing import Any  # isort: skip

from bentoml.models import BentoModel
from numpy.typing import NDArray

# solution: end
route = f"/v1/models/{card.name}:predict"

# starter: runner = bentoml.picklable_model.load_runner("bento_mnist_model:latest")
# starter: svc = bentoml.Service("mnist_classifier", runners=[runner])


# starter: @svc.api(input=Image(pilmode="L"), output=NumpyNdarray())
# starter: def classify(image):
# starter:     return runner.run(np.array(image) / 255.0)
# solution: begin
@bentoml.service(
    name=card.name,
    workers=int(os.environ.get("WORKERS") or 1),
    traffic={"timeout": 10},
    logging={"access": {"enabled": False}},
)
class Classifier:
    """The served model as a service."""

    stored = BentoModel(stored.tag)

    def __init__(self) -> None:
        self.model = model()

    @bentoml.api(route=route, input_spec=Instances, output_spec=Predictions)
    async def predict(self, instances: NDArray[Any]) -> NDArray[Any]:
        """Probabilities, one row per instance."""
        with refusals():
            return self.model.predict(instances)

    if card.takes_images:

        @bentoml.api(input_spec=Upload)
        def classify(self, image: bytes) -> list[str]:
            """The digit on an image, in a sentence."""
            with refusals():
                (label,) = self.model.predict([self.model.preprocess(image)]).argmax(axis=1)
            return [sentence(card.labels[label])]


# solution: end
# This line is right already, once there is a class of that name.
Classifier.add_asgi_middleware(Edge, model=card.name, route=route)
