"""`smoke`: does a deployed server answer as the model does? Every golden, by the common client."""

import argparse
import contextlib
import time
from pathlib import Path

import shared_models
from servelab import protocols
from servelab.client import Client
from servelab.conformance.answers import difference
from servelab.errors import RequestFailed
from servelab.steps.deploy import base

WRONG = 1
"""The exit status when the server answers, and wrongly; 2 is for a step that could not be done."""


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `smoke`."""
    parser.add_argument("--url", required=True, help="of the server; that of its predictions will do")
    parser.add_argument("--model-dir", required=True, type=Path, metavar="DIR", help="what train or take left")
    parser.add_argument("--protocol", default="seldon", choices=protocols.names())
    parser.add_argument("--wait", type=float, default=10.0, metavar="S", help="seconds to come to a right answer")
    parser.set_defaults(run=smoke)


def smoke(options: argparse.Namespace) -> int:
    """All goldens in one batch, then the first ones alone; 1 and the difference where one is wrong."""
    model = shared_models.load(options.model_dir)
    golden = model.golden()
    with Client(base(options.url), options.protocol, model) as client:
        _wait(client, golden, options.wait)
        for rows in (slice(None), *(slice(i, i + 1) for i in range(min(10, len(golden.inputs))))):
            if problem := difference(client.predict(golden.inputs[rows]), golden.outputs[rows]):
                print(f"{client.url} answers otherwise than {model.name} {model.version} itself: {problem}")
                return WRONG
    print(f"{client.url} answers {len(golden.inputs)} goldens of {model.name} as the model itself")
    return 0


def _wait(client: Client, golden: shared_models.Golden, seconds: float) -> None:
    """Until it answers rightly, or time is up: an ingress routes to the new version a little after it is Available."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(RequestFailed):
            if not difference(client.predict(golden.inputs), golden.outputs):
                return
        time.sleep(0.2)
