"""Train mnist: a dense network in Keras, in two versions, the second visibly weaker.

Two versions are what A/B tests, canaries and aliases need: the same call, the same shapes, answers of another quality.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_models import artifact, digits
from shared_models.card import Tensor
from shared_models.mnist import data, drawn
from shared_models.model import Model

SEED = 85
INPUT = Tensor("image", (None, 28, 28), "float32")
OUTPUT = Tensor("probabilities", (None, 10), "float32")
GOLDEN_PER_CLASS = 5
BATCH = 128  # with 15 epochs: of 32, 128 and 256 the steadiest on 5,000 held-out training images


@dataclass(frozen=True, slots=True)
class Recipe:
    """What distinguishes a version."""

    version: str
    images: int
    epochs: int
    summary: str
    seed: int = SEED
    label_noise: float = 0.0


RECIPES = (
    Recipe("1", 60_000, 15, "A handwritten digit, 0 to 9, from 28x28 pixels, white on black, 0..1"),
    Recipe("2", 1_000, 20, "Weaker than version 1 on purpose, to compare versions with: trained on 1,000 images"),
)


def train(root: Path) -> dict[str, float]:
    """Write both versions and the samples below ``root``; accuracy on the 10,000 test images by version."""
    mnist = data.load()
    folder = root / "mnist"
    accuracies = {recipe.version: _train(recipe, mnist, folder / recipe.version) for recipe in RECIPES}
    _write_samples(Model.open(folder / RECIPES[0].version), folder / "samples")
    return accuracies


def experiment(source: Path, folder: Path, label_noise: float = 0.0, seed: int | None = None) -> float:
    """Train version 1 anew from the MNIST files in ``source`` into ``folder``; accuracy on the 10,000 test images.

    ``label_noise``: the share of training labels that chance replaces.
    """
    mnist = data.load(source)
    recipe = replace(RECIPES[0], seed=SEED if seed is None else seed, label_noise=label_noise)
    labels = artifact.noisy(mnist.train_labels, label_noise, recipe.seed)
    return _train(recipe, replace(mnist, train_labels=labels), folder)


def _write_samples(model: Model, folder: Path) -> None:
    """The sample images, once the model has read every one of them rightly."""
    samples = drawn.samples()
    for name, content in samples.items():
        found = model.labels[model.predict(model.preprocess(content)[None]).argmax()]
        if found != name[0]:
            raise AssertionError(f"sample {name}: {model} sees a {found}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in samples.items():
        (folder / name).write_bytes(content)


def _train(recipe: Recipe, mnist: data.Mnist, folder: Path) -> float:
    network = _network(recipe.seed)
    network.fit(
        pixels(mnist.train_images[: recipe.images]),
        mnist.train_labels[: recipe.images],
        batch_size=BATCH,
        epochs=recipe.epochs,
        verbose=2,
    )
    found = network.predict(pixels(mnist.test_images), verbose=0).argmax(axis=1)
    accuracy = float((found == mnist.test_labels).mean())
    layers = [layer.get_weights() for layer in network.layers if layer.get_weights()]
    inputs = pixels(digits.sample(GOLDEN_PER_CLASS)[0])
    outputs = network.predict(inputs, verbose=0)
    graph = artifact.dense_graph(INPUT, OUTPUT, [(weights, bias) for weights, bias in layers])
    artifact.Trained(_card(recipe, accuracy, len(found)), graph, inputs, outputs).write(folder)
    return accuracy


def pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """0..255 to 0..1."""
    return images.astype(np.float32) / np.float32(255)


def _network(seed: int) -> Any:
    """The network, new, with the same first weights each time."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its order of additions differs between processors
    import keras
    import tensorflow

    keras.utils.set_random_seed(seed)
    tensorflow.config.experimental.enable_op_determinism()
    network = keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    network.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return network


def _card(recipe: Recipe, accuracy: float, n: int) -> dict[str, Any]:
    return {
        "name": "mnist",
        "version": recipe.version,
        "summary": recipe.summary,
        "input": INPUT,
        "output": OUTPUT,
        "labels": tuple("0123456789"),
        "takes_images": True,
        "data": {
            "source": data.SOURCE,
            "licence": data.LICENCE,
            "golden": f"{digits.SOURCE}, resampled to 28x28 the MNIST way; {digits.LICENCE}",
        },
        "accuracy": {"value": round(accuracy, 4), "n": n, "how": "the MNIST test images"},
        "training": {
            "how": "Flatten, Dense 128 relu, Dropout 0.2, Dense 10 softmax; adam, sparse categorical cross-entropy, "
            "pixels / 255",
            "batch": BATCH,
            "images": recipe.images,
            "epochs": recipe.epochs,
            "seed": recipe.seed,
        }
        | ({"label_noise": recipe.label_noise} if recipe.label_noise else {}),
        "libraries": artifact.libraries("tensorflow-cpu", "keras", "scikit-learn", "pillow", "numpy", "onnx"),
    }
