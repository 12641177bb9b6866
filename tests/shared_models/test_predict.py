"""The function itself: what it answers, and what it refuses."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as arrays

from shared_models import InvalidInput, Model, load

IRIS, MNIST = load("iris"), load("mnist")
LENGTHS = st.floats(0, 10, width=32)

flowers = arrays.arrays(np.float32, st.tuples(st.integers(1, 40), st.just(4)), elements=LENGTHS)
digits = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 8), st.just(28), st.just(28)), elements=st.floats(0, 1, width=32)
)


def _holds(model: Model, batch: np.ndarray[Any, Any]) -> None:
    answers = model.predict(batch)
    assert answers.shape == (len(batch), len(model.labels))
    assert answers.dtype == np.float32
    assert ((answers >= 0) & (answers <= 1)).all()
    assert np.abs(answers.sum(axis=1) - 1).max() < 1e-5
    singles = np.concatenate([model.predict(row[None]) for row in batch])
    assert np.abs(answers - singles).max() <= 1e-6
    assert np.array_equal(model.predict(batch.tolist()), answers)


@settings(deadline=None)
@given(flowers)
def test_a_batch_of_flowers_is_its_rows(batch: np.ndarray[Any, Any]) -> None:
    _holds(IRIS, batch)


@settings(deadline=None, max_examples=25)
@given(digits)
def test_a_batch_of_digits_is_its_images(batch: np.ndarray[Any, Any]) -> None:
    _holds(MNIST, batch)


@settings(deadline=None)
@given(arrays.arrays(np.float32, (3, 4), elements=st.floats(width=32)))
def test_any_floats_are_answered_or_refused(batch: np.ndarray[Any, Any]) -> None:
    if np.isfinite(batch).all():
        assert IRIS.predict(batch).shape == (3, 3)
    else:
        with pytest.raises(InvalidInput, match="NaN, Infinity"):
            IRIS.predict(batch)


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
json_values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=2), inner), max_leaves=20
)


@settings(deadline=None, max_examples=300)
@given(json_values)
def test_no_json_value_does_more_than_be_refused(value: Any) -> None:
    try:
        answers = IRIS.predict(value)
    except InvalidInput as refusal:
        assert "iris expects numbers of shape (N, 4) (float32); found " in str(refusal)  # noqa: PT017
    else:
        assert answers.shape == (len(value), 3)


ROW = [5.1, 3.5, 1.4, 0.2]


@pytest.mark.parametrize(
    ("batch", "found"),
    [
        ([], "an empty batch"),
        (np.empty((0, 4)), "an empty batch"),
        ([[]], "shape (1, 0)"),
        (ROW, "shape (4)"),
        ([ROW[:3]], "shape (1, 3)"),
        ([[*ROW, 1.0]], "shape (1, 5)"),
        ([[ROW]], "shape (1, 1, 4)"),
        (5.1, "shape ()"),
        ([ROW, ROW[:3]], "rows that are no regular array"),
        ([ROW, 1.0], "rows that are no regular array"),
        ([["5.1", "3.5", "1.4", "0.2"]], "strings"),
        ([["a", "b", "c", "d"]], "strings"),
        ([[5.1, 3.5, 1.4, "0.2"]], "strings"),
        ("iris", "strings"),
        ([[5.1, 3.5, 1.4, None]], "values that are no numbers"),
        ([[None] * 4], "values that are no numbers"),
        (None, "values that are no numbers"),
        ({"sepal_length": 5.1}, "values that are no numbers"),
        ([[True, False, True, False]], "booleans"),
        ([[5.1, 3.5, 1.4, True]], "booleans among numbers"),
        ([[5, 3, 1, False]], "booleans among numbers"),
        ([ROW, (5.1, 3.5, 1.4, np.True_)], "booleans among numbers"),
        ([[1j, 0, 0, 0]], "complex numbers"),
        ([[5.1, 3.5, 1.4, float("nan")]], "NaN"),
        ([[5.1, 3.5, 1.4, float("inf")]], "Infinity"),
        ([[5.1, 3.5, 1.4, 1e39]], "a number too large for it"),
        ([[5.1, 3.5, 1.4, 10**400]], "found"),
        ([[5, 3, 1, 10**400]], "a number too large"),
        (np.datetime64("2024-01-01"), "values that are no numbers"),
    ],
)
def test_what_it_cannot_answer(batch: Any, found: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(found)) as refusal:
        IRIS.predict(batch)
    assert str(refusal.value).startswith("iris expects numbers of shape (N, 4) (float32); found ")
    assert "\n" not in str(refusal.value)


def test_a_list_deeper_than_numpy_can_go_is_refused() -> None:
    deep: Any = 1.0
    for _ in range(900):
        deep = [deep]
    with pytest.raises(InvalidInput):
        IRIS.predict(deep)


def test_a_digit_of_another_size_is_refused() -> None:
    for shape in [(1, 784), (1, 28, 27), (1, 28, 28, 1), (28, 28)]:
        with pytest.raises(InvalidInput, match=re.escape("mnist expects numbers of shape (N, 28, 28)")):
            MNIST.predict(np.zeros(shape))


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4", "int8", "uint8", "int64", "uint64"])
def test_every_kind_of_number_is_taken(dtype: str) -> None:
    batch = np.array([[5, 3, 1, 0], [7, 3, 5, 2]])
    assert np.array_equal(IRIS.predict(batch.astype(dtype)), IRIS.predict(batch.tolist()))


def test_memory_layout_does_not_matter() -> None:
    inputs = IRIS.golden().inputs
    expected = IRIS.predict(inputs)
    assert np.array_equal(IRIS.predict(np.asfortranarray(inputs)), expected)
    assert np.array_equal(IRIS.predict(inputs[::-1]), expected[::-1])
    assert np.array_equal(IRIS.predict(np.repeat(inputs, 2, axis=1)[:, ::2]), expected)


def test_the_batch_is_left_as_it_was() -> None:
    inputs = MNIST.golden().inputs
    inputs.setflags(write=False)
    before = inputs.copy()
    MNIST.predict(inputs)
    assert np.array_equal(inputs, before)


def test_threads_do_not_disturb_each_other() -> None:
    golden = MNIST.golden()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(MNIST.predict, [golden.inputs[i : i + 1] for i in range(50)] * 8))
    expected = np.tile(MNIST.predict(golden.inputs), (8, 1))
    assert np.abs(np.concatenate(answers) - expected).max() <= 1e-6
