"""Retrain the models: ``python -m shared_models.train [animals] [iris] [mnist]``, with requirements.txt installed."""

import argparse
from pathlib import Path

from shared_models.animals import train as animals
from shared_models.errors import ModelError
from shared_models.iris import train as iris
from shared_models.mnist import train as mnist

TRAINERS = {"animals": animals.train, "iris": iris.train, "mnist": mnist.train}


def main() -> None:
    """Write artifacts, cards, goldens and samples, and print the accuracies."""
    parser = argparse.ArgumentParser(prog="python -m shared_models.train", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="model", help="animals, iris or mnist; without any, all")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="folder to write into")
    chosen = parser.parse_args()
    for name in chosen.models or TRAINERS:
        if name not in TRAINERS:
            parser.error(f"no model {name!r}: expected {' or '.join(TRAINERS)}")
    for name in chosen.models or TRAINERS:
        try:
            accuracies = TRAINERS[name](chosen.output)
        except ModelError as error:
            parser.exit(2, f"{name}: {error}\n")
        for version, accuracy in accuracies.items():
            print(f"{name} {version}: accuracy {accuracy:.4f}", flush=True)


if __name__ == "__main__":
    main()
