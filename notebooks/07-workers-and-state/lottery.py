"""A server with a state: a generator and a counter, made when this file is imported."""

import os

import numpy as np
from flask import Flask, request

made_by = os.getpid()
chance = np.random.default_rng()  # asks the operating system for a seed: once, here
count = 0

app = Flask(__name__)


@app.post("/draw")
def draw():
    global count
    count += 1
    number = int(chance.integers(request.get_json()["below"]))
    return {"draw": number, "count": count, "worker": os.getpid(), "made_by": made_by}
