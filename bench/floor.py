"""The floor: the same batches by a plain call in this process, without any server. What serving adds is the tax."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.figures import Percentiles, needed, percentiles
from shared_models import Model

SECONDS = 0.25  # per round at most, so that a slow model does not slow the run
CALLS = 2 * needed(0.99)


def measure(model: Model, inputs: Sequence[NDArray[Any]]) -> tuple[Percentiles, float]:
    """Percentiles of the call in ms, and CPU microseconds per prediction, over CALLS calls or SECONDS."""
    batch = len(inputs[0])
    model.predict(inputs[0])
    spent: list[int] = []
    end = time.monotonic() + SECONDS
    cpu = time.process_time_ns()
    while len(spent) < CALLS and time.monotonic() < end:
        start = time.monotonic_ns()
        model.predict(inputs[len(spent) % len(inputs)])
        spent.append(time.monotonic_ns() - start)
    cpu = time.process_time_ns() - cpu
    return percentiles(np.array(spent, np.float64)), cpu / 1e3 / (len(spent) * batch)
