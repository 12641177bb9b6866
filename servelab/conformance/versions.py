"""An A/B test answers by each of its versions, in equal shares."""

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np

from servelab.conformance.answers import TOLERANCE, difference
from servelab.conformance.check import Check, CheckFailed
from servelab.conformance.subject import Subject
from servelab.start import is_brought
from servelab.strategy import Strategy
from shared_models import Model

REQUESTS = 200
SIGMAS = 5.0  # of the binomial distribution: a right split is outside once in a million runs


def checks(strategy: Strategy, model: Model) -> Iterator[Check]:
    """One check, for a strategy that names several versions."""
    skip = "" if strategy.versions and not is_brought(model) else "a strategy of one version"
    yield Check("versions/each-answers-its-share", _shares, skip)


def _shares(subject: Subject) -> None:
    """Of REQUESTS requests for one golden row, each version answers about as many as each other."""
    outputs = subject.golden.outputs
    row = _telling(subject)
    picked = outputs[:, row : row + 1]
    names = subject.server.strategy.versions
    found: Counter[str] = Counter()
    for _ in range(REQUESTS):
        answer = subject.server.predict(subject.golden.inputs[row : row + 1])
        found.update(name for name, right in zip(names, picked, strict=True) if not difference(answer, right))
    share = 1 / len(names)
    slack = SIGMAS * math.sqrt(REQUESTS * share * (1 - share))
    if any(abs(found[name] - REQUESTS * share) > slack for name in names):
        counts = ", ".join(f"{found[name]} by version {name}" for name in names)
        raise CheckFailed(f"of {REQUESTS} requests, expected {REQUESTS * share:.0f} give or take {slack:.0f} to be "
                          f"answered by each version; found {counts}")  # fmt: skip


def _telling(subject: Subject) -> int:
    """The golden row on which the versions differ most."""
    outputs = subject.golden.outputs
    pairs = [np.abs(a - b).max(axis=-1) for index, a in enumerate(outputs) for b in outputs[:index]]
    apart = np.min(pairs, axis=0)
    row = int(apart.argmax())
    if apart[row] <= 2 * TOLERANCE:
        raise CheckFailed("expected a golden row that the versions answer differently; they agree on all of them")
    return row
