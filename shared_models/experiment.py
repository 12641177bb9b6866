"""Train one model from a folder of data, as a pipeline does: ``python -m shared_models.experiment mnist --data ...``.

It runs in the training environment. The shared models themselves are `shared_models.train`'s.
"""

import argparse
from pathlib import Path

from shared_models.errors import ModelError
from shared_models.iris import train as iris
from shared_models.mnist import train as mnist

EXPERIMENTS = {"iris": iris.experiment, "mnist": mnist.experiment}


def main() -> None:
    """Write model, card and goldens, and print the accuracy on the test set."""
    parser = argparse.ArgumentParser(prog="python -m shared_models.experiment", description=__doc__)
    parser.add_argument("model", choices=EXPERIMENTS)
    parser.add_argument("--data", type=Path, required=True, help="folder with the data set")
    parser.add_argument("--output", type=Path, required=True, help="folder for model.onnx, card.json, golden.json")
    parser.add_argument("--label-noise", type=float, default=0.0, help="share of training labels replaced by chance")
    parser.add_argument("--seed", type=int)
    chosen = parser.parse_args()
    experiment = EXPERIMENTS[chosen.model]
    try:
        accuracy = experiment(chosen.data, chosen.output, chosen.label_noise, chosen.seed)
    except ModelError as error:
        parser.exit(2, f"{chosen.model}: {error}\n")
    print(f"{chosen.model}: accuracy {accuracy:.4f} on the test set")


if __name__ == "__main__":
    main()
