"""The same program in the last form in which it still runs: BentoML 1.4 keeps runners as `bentoml.legacy`."""

import os

import bentoml
import numpy as np
from bentoml.io import Image, NumpyNdarray

import shared_models


class Mnist(bentoml.legacy.Runnable):
    """The model, in a process of its own."""

    SUPPORTED_RESOURCES = ("cpu",)
    SUPPORTS_CPU_MULTI_THREADING = False

    def __init__(self):
        self.model = shared_models.load("mnist", os.environ.get("MODEL_VERSION") or "1")

    @bentoml.legacy.Runnable.method(batchable=True)
    def predict(self, images):
        """Pixels, shape (N, 28, 28), in; probabilities, shape (N, 10), out."""
        return self.model.predict(images)


runner = bentoml.legacy.Runner(Mnist, name="bento_mnist_model")
svc = bentoml.legacy.Service("mnist_classifier", runners=[runner])


@svc.api(input=Image(pilmode="L"), output=NumpyNdarray())
def classify(image):
    """An image in, probabilities out."""
    pixels = np.array(image.resize((28, 28)), np.float32) / 255.0
    return runner.predict.run(pixels[np.newaxis])
