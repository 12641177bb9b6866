"""Serves the learner's components by Seldon's stock command with four workers, and asks each of them."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import shared_models
from notebooks.course import program
from notebooks.course.check import Failure, Unfinished, Work

HERE = Path(__file__).parent
STOCK = HERE.parent / "16-a-seldon-component" / "stock.py"
one_each = run_path(str(HERE / "each_worker.py"))["one_each"]

WORKERS, ROUNDS = 4, 10
BRANCHES = 10**12  # so many that two of forty draws are the same by chance once in a thousand million checks
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
MESSAGE = json.dumps({"data": {"ndarray": ROWS}}).encode()
BY_HAND = f"from ModelInfer import ModelInfer; print(ModelInfer('iris').predict({ROWS}).argmax(axis=1).tolist())"


def served(work: Work, component: str, parameters: list[dict[str, str]], **env: str) -> program.Running:
    """The learner's component under the stock command, with four workers."""
    command = ["python", str(STOCK), component, "--http-port", "{port}", "--workers", str(WORKERS)]
    env["PREDICTIVE_UNIT_PARAMETERS"] = json.dumps(parameters)
    return program.start(command, strategy="seldon", cwd=work.folder, port=0, env=env)


def asked(server: program.Running, path: str, rounds: int) -> list[Any]:
    """The answers of so many rounds, in each of which every worker answers once."""
    try:
        return [answer for _ in range(rounds) for answer in one_each(server.url, path, MESSAGE, WORKERS, timeout=10)]
    except OSError as error:  # also one that says no, or nothing within that time
        look = "load and the method that answers; an AttributeError in load() is swallowed by the wrapper"
        raise Unfinished(f"expected each worker to answer {path}; {error}", look) from None


def check_draws(work: Work) -> Iterator[Failure]:
    """Forty draws by four workers are forty different numbers."""
    with served(work, "Router", [{"name": "n_branches", "type": "INT", "value": str(BRANCHES)}]) as server:
        answers = asked(server, "/route", ROUNDS)
    draws = [answer["data"]["ndarray"][0][0] for answer in answers]
    if wrong := [draw for draw in draws if not 0 <= draw < BRANCHES]:
        yield Failure(f"expected draws from 0 to n_branches - 1; found {wrong[0]} of {BRANCHES}", "Router.route")
    elif (different := len(set(draws))) < len(draws):
        times = max(Counter(draws).values())
        yield Failure(
            f"expected {len(draws)} different draws; found {different}, one of them {times} times",
            "where Router makes its generator, and with which seed: in the process that forks, or in each worker",
        )
    elif not min(draws) < BRANCHES // 2 <= max(draws):  # of 40 fair draws, once in half a million million checks
        found = f"found all from {min(draws)} to {max(draws)}, of {BRANCHES}"
        yield Failure(f"expected draws from all of 0 to n_branches - 1; {found}", "Router.route")


def check_loads(work: Work) -> Iterator[Failure]:
    """The model is loaded once in each worker, and never in the process that forks."""
    parameters = [{"name": "container_name", "type": "STRING", "value": "iris"}]
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "loads"
        with served(work, "Watched", parameters, PYTHONPATH=str(HERE / "watch"), WATCHED=str(told)) as server:
            answers = asked(server, "/predict", 2)
        forks, *loads = told.read_text().split()
    before, after = loads.count(forks), Counter(pid for pid in loads if pid != forks)
    if before:
        yield Failure(
            f"expected no shared_models.load() in the process that forks; found {before}",
            "ModelInfer.__init__, which that process runs",
        )
    if len(after) != WORKERS or max(after.values()) > 1:
        found = ", ".join(map(str, sorted(after.values()))) or "none"
        yield Failure(
            f"expected one shared_models.load() in each of {WORKERS} workers, whatever it is asked; found {found}",
            "ModelInfer.load, which each worker runs once, and ModelInfer.predict, which runs for each request",
        )
    wanted = shared_models.load("iris").predict(ROWS)
    if unlike := [answer for answer in answers if not alike(answer.get("data", {}).get("ndarray"), wanted)]:
        found = json.dumps(unlike[0])[:200]
        yield Failure(f"expected the model's own probabilities of each worker; found {found}", "ModelInfer.predict")


def alike(found: Any, wanted: NDArray[Any]) -> bool:
    """Whether an answer is the array that was wanted; it may be anything."""
    try:
        array = np.asarray(found, dtype=float)
    except (TypeError, ValueError):
        return False
    return array.shape == wanted.shape and np.allclose(array, wanted, atol=1e-5)


def check_by_hand(work: Work) -> Iterator[Failure]:
    """ModelInfer("iris").predict(rows) works by hand, without load()."""
    done = program.run(["python", "-c", BY_HAND], strategy="seldon", cwd=work.folder, timeout=15)
    printed = done.stdout.strip().splitlines() or ["nothing"]
    if done.returncode or printed[-1] != "[0, 2]":
        found = done.stderr.strip().splitlines()[-1:] if done.returncode else printed[-1:]
        yield Failure(
            f"expected the labels [0, 2] of two flowers; found {found[0] if found else 'nothing'}",
            "ModelInfer.predict, and what self.model is before load() ran: ModelInfer.__init__",
        )
