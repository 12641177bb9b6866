"""`train` and `take`: two ways to one model folder with model.onnx, card.json and golden.json.

A training is one in the training environment, by this run; what is taken is a version of the shared models.
"""

import argparse
import shutil
from pathlib import Path

import shared_models
from servelab import environment
from servelab.steps.data import MODELS
from servelab.steps.files import StepFailed
from shared_models.card import FILE as CARD
from shared_models.graph import GRAPH
from shared_models.model import GOLDEN


def add_train(parser: argparse.ArgumentParser) -> None:
    """The options of `train`."""
    parser.add_argument("--model", required=True, choices=MODELS)
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="what fetch left")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder for the model")
    parser.add_argument("--label-noise", type=float, default=0.0, metavar="SHARE",
                        help="of the training labels that chance replaces: 1 is a sabotage")  # fmt: skip
    parser.add_argument("--seed", type=int, help="of the training (default: that of the shared model)")
    parser.set_defaults(run=train)


def train(options: argparse.Namespace) -> int:
    """Train in the training environment. StepFailed when that fails, EnvironmentFailed when it cannot be built."""
    if not 0 <= options.label_noise <= 1:
        raise StepFailed(f"expected --label-noise from 0 to 1; found {options.label_noise:g}")
    arguments = [options.model, "--data", str(options.data.resolve()), "--output", str(options.output.resolve())]
    arguments += ["--label-noise", str(options.label_noise)]
    arguments += [] if options.seed is None else ["--seed", str(options.seed)]
    if status := environment.run_training("shared_models.experiment", arguments):
        raise StepFailed(f"training {options.model} from {options.data} exited {status}; the reason stands above")
    print(f"trained {_named(options.output)}" + f", label noise {options.label_noise:g}" * bool(options.label_noise))
    return 0


def add_take(parser: argparse.ArgumentParser) -> None:
    """The options of `take`."""
    parser.add_argument("--model", required=True, help="a shared model or a folder with one")
    parser.add_argument("--version", help="of the model (default: its first)")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder for the model")
    parser.set_defaults(run=take)


def take(options: argparse.Namespace) -> int:
    """Copy a version of a shared model. ModelError when there is none."""
    model = shared_models.load(options.model, options.version)
    copy(model, options.output)
    print(f"took {_named(options.output)}")
    return 0


def copy(model: shared_models.Model, folder: Path) -> None:
    """The three files of a model into a folder; StepFailed when it cannot be written."""
    model.golden()  # a model without goldens could not be checked later: told here
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (GRAPH, CARD, GOLDEN):
            shutil.copyfile(model.folder / name, folder / name)
    except OSError as error:
        raise StepFailed(f"cannot write the model to {folder}: {error.strerror}; name another --output") from None


def _named(folder: Path) -> str:
    model = shared_models.load(folder)
    stated = model.card.accuracy
    accuracy = f", accuracy {stated['value']:.4f} on {stated['how']}" if {"value", "how"} <= set(stated) else ""
    return f"{model.name} {model.version} in {folder}{accuracy}"
