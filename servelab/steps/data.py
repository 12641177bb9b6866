"""`fetch`: the data set of a model into a folder, the same files whatever their source.

mnist: the four files of Y. LeCun, C. Cortes and C. Burges, checked by their hashes. iris: train.csv and test.csv, 120
and 30 rows, split once and for all by a seed. The other steps read no other place.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import shared_models
from servelab import environment
from servelab.steps.files import StepFailed
from shared_models.iris import rows as iris
from shared_models.mnist import data as mnist

MODELS = ("iris", "mnist")


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `fetch`."""
    parser.add_argument("--model", required=True, choices=MODELS)
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder to put the data set into")
    parser.set_defaults(run=fetch)


def fetch(options: argparse.Namespace) -> int:
    """Put the data set there. ModelError when it cannot be had, EnvironmentFailed for iris without scikit-learn."""
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    if options.model == "mnist":
        for name in mnist.FILES:
            (folder / name).write_bytes(mnist.fetch(name))
        print(f"mnist: 60,000 training and 10,000 test images in {folder}")
    else:
        if environment.run_training("shared_models.iris.rows", [str(folder.resolve())]):
            raise StepFailed(f"the rows of iris could not be written to {folder}; the reason stands above")
        print(f"iris: {iris.TRAIN_ROWS} training and {iris.TEST_ROWS} test rows in {folder}")
    return 0


def test_set(model: shared_models.Model, folder: Path) -> tuple[NDArray[np.float32], list[str]]:
    """The rows that no training has seen, (N, *input shape), and their labels. StepFailed when there are none."""
    if model.name == "mnist":
        images, classes = mnist.test_set(folder)
        return images.astype(np.float32) / np.float32(255), [model.labels[each] for each in classes]
    if model.name == "iris":
        return iris.read(folder / iris.TEST)
    raise StepFailed(
        f"{model.name} has no test set that evaluate could read; leave --data out: then its card's accuracy counts"
    )
