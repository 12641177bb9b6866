"""The command line `servelab step NAME ...`: one subcommand for each step."""

import argparse
from collections.abc import Callable
from typing import Final

from servelab.steps import data, deploy, judgement, manifest, model, promote, verify

STEPS: Final[dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]]] = {
    "fetch": ("the data set of a model", data.add),
    "train": ("a model from data, in the training environment", model.add_train),
    "take": ("a version of the shared models, instead of training", model.add_take),
    "evaluate": ("how good a model is, on its test set", judgement.add_evaluate),
    "gate": ("is that good enough?", judgement.add_gate),
    "manifest": ("store a model by its content, and write the SeldonDeployment", manifest.add),
    "previous": ("write down what is deployed now, for rollback", deploy.add_previous),
    "apply": ("deploy, and wait until it is available", deploy.add_apply),
    "smoke": ("does the server answer as the model does?", verify.add),
    "promote": ("write down which version serves", promote.add),
    "rollback": ("back to what was deployed before", deploy.add_rollback),
}


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser every step."""
    steps = parser.add_subparsers(required=True, metavar="STEP")
    for name, (what, add_options) in STEPS.items():
        add_options(steps.add_parser(name, help=what, description=what[0].upper() + what[1:]))
