"""The program of 2022 (BentoML 1.0, pre-release), in our words; a pickled model stands for its TensorFlow one."""

import bentoml
import numpy as np
from bentoml.io import Image, NumpyNdarray

runner = bentoml.picklable_model.load_runner("bento_mnist_model:latest")
svc = bentoml.Service("mnist_classifier", runners=[runner])


@svc.api(input=Image(pilmode="L"), output=NumpyNdarray())
def classify(image):
    """An image in, probabilities out."""
    return runner.run(np.array(image) / 255.0)
