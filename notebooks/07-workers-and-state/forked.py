"""How many different numbers four children draw, which were forked from one process, by the generator that they use."""

import os
import random

import numpy as np

DRAWS = {
    "random.random()": random.random,
    "random.Random().random()": random.Random().random,  # noqa: S311 - no secret is drawn
    "np.random.random()": np.random.random,
    "np.random.default_rng().random()": np.random.default_rng().random,
    "random.SystemRandom().random()": random.SystemRandom().random,
}


def in_a_child(draw):
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, repr(float(draw())).encode())
        os._exit(0)
    os.wait()
    return os.read(read, 100)


for name, draw in DRAWS.items():
    print(f"{name:34}", len({in_a_child(draw) for _ in range(4)}), "different draws of 4 forked children")
