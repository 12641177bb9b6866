"""The check of lesson 08: a cache may save time, and nothing else."""

import json
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import shared_models
from bench.selftest.lab import burn
from notebooks.course.check import Failure, Work
from shared_models import InvalidInput, Model

WORK_US = 2000.0  # processor time that a prediction of the heavy model takes
PAIRS = 40
FASTER = 2.0
TRIES = 30  # until a model lies where another one lay; mostly it is the first
MOMENT = 0.5  # seconds that a swap is given while predict() runs; it may have to wait for a lock of the learner's
LONG = 5.0  # seconds within which a swap must have ended although the model is still answering
Rows = NDArray[Any]


class Watched:
    """A real model that says how often it was asked, and does `before` what it is told."""

    def __init__(self, model: Model, before: Callable[[], None] = lambda: None) -> None:
        self._model, self._before = model, before
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, batch: ArrayLike) -> NDArray[np.float32]:
        self.asked += 1
        self._before()
        return self._model.predict(batch)


def _theirs(work: Work, name: str) -> Any:
    return getattr(work.module("cache", name), name)


def _cached(work: Work, model: Any, **settings: int) -> Any:
    return _theirs(work, "CachedModel")(model, **settings)


def check_same(work: Work) -> Iterator[Failure]:
    """it answers as the model does, the first time and the second"""
    for name in ("iris", "mnist"):
        model = shared_models.load(name)
        cached = _cached(work, model)
        for turn in ("first", "second"):
            for number, row in enumerate(model.golden().inputs):
                if not np.array_equal(cached.predict([row]), model.predict([row])):
                    yield Failure(f"{name}, golden {number}: another answer the {turn} time", "predict()")
                    break
            some = model.golden().inputs[:3]
            if not np.array_equal(cached.predict(some), model.predict(some)):
                yield Failure(f"{name}, three rows in one batch: another answer the {turn} time", "predict()")


def check_hit(work: Work) -> Iterator[Failure]:
    """a hit is a hit: the model is asked once for one input, as an array or as the lists of a JSON body"""
    model = Watched(shared_models.load("iris"))
    cached, row = _cached(work, model), model.golden().inputs[:1]
    for form in (row, row, row.copy(), row.tolist(), row.astype(np.float64)):
        cached.predict(form)
    if model.asked != 1:
        yield Failure(
            f"expected the model to be asked once for five forms of one input; it was asked {model.asked} times",
            "predict(): is the model asked before it is known that it must be? key(): Model.rows gives one form to all",
        )


def check_apart(work: Work) -> Iterator[Failure]:
    """two inputs never share an answer"""
    key = _theirs(work, "key")
    for name in ("iris", "mnist"):
        model = shared_models.load(name)
        seen: dict[Any, str] = {}
        for what, batch in _distinct(model):
            asked = key(model, batch)
            if asked in seen:
                yield Failure(
                    f"{name}: expected another key for {what} than for {seen[asked]}; found the same", "key()"
                )
            seen[asked] = what


def _distinct(model: Model) -> Iterator[tuple[str, Rows]]:
    """Batches no two of which are equal, some by very little."""
    rows = model.golden().inputs
    yield "two rows", rows[:2]
    yield "the same rows in the other order", rows[1::-1]
    yield "the first of them alone", rows[:1]
    near = rows[:2].copy()
    near.flat[near.size // 2 - 3] += np.float32(1e-4)  # deep inside, and by little
    yield "the two rows with one number changed by 0.0001", near
    yield "the first two rows and a third", rows[:3]
    many = rows[np.arange(300) % len(rows)].copy()
    yield "300 rows", many
    other = many.copy()
    other[150] = other[150][::-1]
    yield "300 rows, one of which is turned around", other
    random = np.random.default_rng(8)
    for number in range(200):
        yield f"random row {number}", random.random((1, *rows.shape[1:])).astype(rows.dtype)


def check_swap(work: Work) -> Iterator[Failure]:
    """after a swap no answer is the old model's, and back again none is the new one's"""
    old, new = shared_models.load("mnist", "1"), shared_models.load("mnist", "2")
    cached, rows = _cached(work, old), old.golden().inputs
    for model, what in ((old, "version 1"), (new, "version 2, after a swap"), (old, "version 1 again")):
        cached.swap(model)
        yield from _answers_as(cached, model, rows, what)


def check_retrained(work: Work) -> Iterator[Failure]:
    """a retrained model under the same name and version is another model"""
    model = shared_models.load("iris", "1")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "iris"
        shutil.copytree(shared_models.load("iris", "2").folder, folder)
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        (folder / "card.json").write_text(json.dumps(card | {"version": "1"}), encoding="utf-8")
        retrained = shared_models.load(folder)
    cached, rows = _cached(work, model), model.golden().inputs
    yield from _answers_as(cached, model, rows, "iris version 1")
    cached.swap(retrained)
    yield from _answers_as(cached, retrained, rows, "another iris that calls itself version 1")


def check_gone(work: Work) -> Iterator[Failure]:
    """a model that is gone leaves no answers to the one that takes its place in memory"""
    row = [[6.1, 2.8, 4.7, 1.2]]
    first = shared_models.load("iris", "1")
    cached, place = _cached(work, first), id(first)
    cached.predict(row)
    del first
    cached.swap(shared_models.load("iris", "2"))
    others: list[Model] = []
    while len(others) < TRIES and place not in map(id, others):
        others.append(shared_models.load("iris", "2"))
    cached.swap(others[-1])
    if not np.array_equal(cached.predict(row), others[-1].predict(row)):
        yield Failure(
            "expected the answer of iris version 2; found that of a version 1 which is no longer there",
            "key(): is it the model's id()? Python gives the same number to another one later",
        )


def _answers_as(cached: Any, model: Model, rows: Rows, what: str) -> Iterator[Failure]:
    wrong = [n for n, row in enumerate(rows) if not np.array_equal(cached.predict([row]), model.predict([row]))]
    if wrong:
        yield Failure(
            f"expected the answers of {what}; found others for {len(wrong)} of {len(rows)} inputs",
            "key(): what of a model changes whenever its answers may? Its card knows",
        )


def check_under_way(work: Work) -> Iterator[Failure]:
    """an answer that was under way during a swap is not taken for the new model's"""
    old, new = shared_models.load("mnist", "1"), shared_models.load("mnist", "2")
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        go_on.wait(10)

    cached, row = _cached(work, Watched(old, wait)), old.golden().inputs[:1]
    asking = threading.Thread(target=cached.predict, args=(row,))
    asking.start()
    begun.wait(10)
    swapping = _aside(lambda: cached.swap(new), LONG)
    if swapping.is_alive():
        yield Failure(
            "expected swap() not to wait for what is under way; it did",
            "predict(): is the lock held while the model answers? Then all other callers wait, too",
        )
    go_on.set()
    asking.join(10)
    swapping.join(10)
    yield from _answers_as(cached, new, row, "version 2, swapped in while version 1 was answering")


def _aside(call: Callable[[], object], seconds: float = MOMENT) -> threading.Thread:
    """Make a call in a thread of its own, and wait for it so long."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    return thread


def check_between(work: Work) -> Iterator[Failure]:
    """a swap between two lines of predict() does not put one model's answer under the other's key"""
    old, new = shared_models.load("mnist", "1"), shared_models.load("mnist", "2")
    row = old.golden().inputs[:1]
    for moment in ("card", "rows", "name", "version"):
        cached, swaps = _cached(work, old), list[threading.Thread]()

        class Swapping(Watched):
            def __getattr__(self, name: str, moment: str = moment, cached: Any = cached, swaps: Any = swaps) -> Any:
                found = super().__getattr__(name)
                if name == moment and not swaps:
                    swaps.append(_aside(lambda: cached.swap(new)))
                return found

        cached.swap(Swapping(old))
        cached.predict(row)
        for swap in swaps:
            swap.join(10)
        for model, what in ((old, "version 1"), (new, "version 2")):
            cached.swap(model)
            if not np.array_equal(cached.predict(row), model.predict(row)):
                yield Failure(
                    f"expected the answer of {what}; found another, after a swap that came when key() had just read "
                    f"model.{moment}",
                    "predict(): the model that makes the key must be the one that is asked; is self.model read twice?",
                )
                return
    cached = _looked_at_once(work, old, new)
    cached.predict(row)
    for model, what in ((old, "version 1"), (new, "version 2")):
        cached.swap(model)
        if not np.array_equal(cached.predict(row), model.predict(row)):
            yield Failure(
                f"expected the answer of {what}; found another, after a swap that came when predict() had just read "
                "self.model",
                "predict(): model = self.model, once, and from then on only model",
            )
            return


def _looked_at_once(work: Work, old: Model, new: Model) -> Any:
    """A CachedModel of the learner's that serves `old`, and `new` as soon as somebody has read its `model`."""
    served = [old]

    def look(_: object) -> Model:
        return served.pop(0) if len(served) > 1 else served[0]

    def put(_: object, model: Model) -> None:
        served[:] = [model]

    cached = type("Swapped", (_theirs(work, "CachedModel"),), {"model": property(look, put)})(old)
    served.append(new)
    return cached


def check_owner(work: Work) -> Iterator[Failure]:
    """what a caller does with his answer changes nobody else's"""
    model = shared_models.load("iris")
    cached, row = _cached(work, model), model.golden().inputs[:1]
    for turn in ("first", "second"):
        try:
            cached.predict(row)[:] = 0
        except ValueError:
            continue  # it cannot be written to: that protects it as well
        if not np.array_equal(cached.predict(row), model.predict(row)):
            yield Failure(f"the {turn} answer was set to zero by its caller, and so were those after it", "copy it")
            return


def check_refused(work: Work) -> Iterator[Failure]:
    """bad input is refused every time"""
    cached = _cached(work, shared_models.load("iris"))
    cached.predict([[1, 2, 3, 4]])  # remembered now; the same as text stays bad input
    for turn in ("first", "second"):
        for bad in ([[1, 2, 3]], [["1", "2", "3", "4"]], [[1, 2, 3, None]], []):
            try:
                cached.predict(bad)
            except InvalidInput:
                continue
            yield Failure(
                f"expected InvalidInput for {bad} the {turn} time; found an answer", "key(): Model.rows checks"
            )


def check_bounded(work: Work) -> Iterator[Failure]:
    """it keeps as many answers as it may, and those that were asked for last"""
    model = Watched(shared_models.load("iris"))
    cached, rows = _cached(work, model, size=3), model.golden().inputs
    for row in (*rows[:3], rows[0], rows[3]):  # 3 is one too many: 1 was not asked for the longest
        cached.predict([row])
    for number, calls in ((0, 0), (3, 0), (1, 1)):
        before = model.asked
        cached.predict([rows[number]])
        if model.asked - before != calls:
            yield Failure(
                f"size 3, inputs 0 1 2 0 3: expected input {number} to be {'dropped' if calls else 'kept'}; it was not",
                "OrderedDict: move_to_end() at a hit, popitem(last=False) when there are too many",
            )


def check_faster(work: Work) -> Iterator[Failure]:
    """a remembered answer costs less than half of one that is computed"""
    model = Watched(shared_models.load("mnist"), lambda: burn(WORK_US))
    cached, row = _cached(work, model), model.golden().inputs[:1]
    cached.predict(row)
    ratios = [_seconds(model.predict, row) / _seconds(cached.predict, row) for _ in range(PAIRS)]
    if (ratio := statistics.median(ratios)) < FASTER:
        yield Failure(f"expected a hit to be {FASTER:g} times as fast or more; found {ratio:.2f}", "predict()")


def _seconds(call: Callable[[Rows], object], row: Rows) -> float:
    began = time.perf_counter()
    call(row)
    return time.perf_counter() - began
