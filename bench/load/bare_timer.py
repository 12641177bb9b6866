"""How late this machine's timer is by itself: `python -m bench.load.bare_timer RATE SECONDS SEED`, for speed.py.

The same timer and a Poisson schedule as the engine has them, and nothing else: no loop, no sockets. Prints the median
and the 99th percentile of the lag in microseconds.
"""

import argparse
import gc
import os
from time import monotonic_ns

from bench.load.histogram import Distribution
from bench.load.pacer import SECOND, Timer
from bench.load.schedule import poisson

START_DELAY = 20_000_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.load.bare_timer", description=__doc__)
    parser.add_argument("rate", type=float, help="per second")
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed", type=int)
    chosen = parser.parse_args()
    try:
        schedule = poisson(chosen.rate, chosen.seconds, chosen.seed)
    except ValueError as error:
        parser.error(str(error))
    times = (schedule * SECOND).round().astype(int) + monotonic_ns() + START_DELAY
    lags = times.astype(float)  # made before, so that nothing grows while the clock runs
    timer = Timer(blocking=True)
    gc.disable()
    for index, when in enumerate(times.tolist()):
        if when > monotonic_ns():
            timer.set(when)
            os.read(timer.fd, 8)
        lags[index] = monotonic_ns() - when
    found = Distribution.of(lags)
    print(found.quantile(0.5) / 1e3, found.quantile(0.99) / 1e3)


if __name__ == "__main__":
    main()
