"""`evaluate` and `gate`: how good a model is, and whether that is good enough to deploy it."""

import argparse
from pathlib import Path

import numpy as np

import shared_models
from servelab.steps import data, files
from servelab.steps.files import StepFailed


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate`."""
    parser.add_argument("--model-dir", required=True, type=Path, metavar="DIR", help="what train or take left")
    parser.add_argument("--data", type=Path, metavar="DIR",
                        help="what fetch left; else what its card states, or goldens")  # fmt: skip
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="JSON: accuracy, n, on")
    parser.set_defaults(run=evaluate)


def evaluate(options: argparse.Namespace) -> int:
    """Write the model's accuracy, by predictions of its test set where there is one."""
    model = shared_models.load(options.model_dir)
    found = _measured(model, options.data) if options.data else _stated(model)
    files.write_json(options.output, found)
    print(f"{model.name}: accuracy {found['accuracy']:.4f} of {found['n']} on {found['on']}")
    return 0


def _measured(model: shared_models.Model, folder: Path) -> dict[str, object]:
    rows, labels = data.test_set(model, folder)
    found = np.array(model.labels)[model.predict(rows).argmax(axis=1)]
    right = int((found == np.array(labels)).sum())
    return {"accuracy": right / len(labels), "n": len(labels), "on": "test set"}


def _stated(model: shared_models.Model) -> dict[str, object]:
    """What the card says; of a card that says nothing, how often the graph agrees with the goldens' labels."""
    stated = model.card.accuracy
    if {"value", "n", "how"} <= set(stated):
        return {"accuracy": stated["value"], "n": stated["n"], "on": f"{stated['how']}, as its card says"}
    golden = model.golden()
    same = model.predict(golden.inputs).argmax(axis=1) == golden.outputs.argmax(axis=1)
    return {"accuracy": float(same.mean()), "n": len(same), "on": "goldens: the training framework's own answers"}


def add_gate(parser: argparse.ArgumentParser) -> None:
    """The options of `gate`."""
    parser.add_argument("--metrics", required=True, type=Path, metavar="FILE", help="what evaluate left")
    parser.add_argument("--minimum", required=True, type=float, metavar="SHARE", help="accuracy, 0 to 1")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="true or false")
    parser.set_defaults(run=gate)


def gate(options: argparse.Namespace) -> int:
    """Write `true` when the accuracy is enough, else `false`: the step itself succeeds either way."""
    if not 0 <= options.minimum <= 1:
        raise StepFailed(f"expected --minimum from 0 to 1; found {options.minimum:g}")
    metrics = files.read(options.metrics, "the metrics that evaluate writes")
    accuracy = files.number(metrics, "accuracy", options.metrics)
    enough = accuracy >= options.minimum
    files.write(options.output, "true" if enough else "false")
    verdict = "passes" if enough else "is refused"
    print(f"the model {verdict}: accuracy {accuracy:.4f}, expected at least {options.minimum:g}")
    return 0
