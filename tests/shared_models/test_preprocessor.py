"""Raw rows to a model's input: scikit-learn's answers, and what is refused."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as arrays

from shared_models import InvalidInput, Preprocessor
from shared_models.preprocessor import Category, Number

WORDS = ("bird", "cat", "dog")
BOTH = Preprocessor((Category("kind", WORDS), Number("legs", 0.0, 4.0), Number("weight", -0.5, 12.25)))
numbers = st.floats(-1e6, 1e6) | st.integers(-1000, 1000)
rows = st.lists(st.tuples(st.sampled_from(WORDS), numbers, numbers), min_size=1, max_size=20)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(("ant", "bee", "ßß", "犬", "0", " ")), min_size=3, max_size=30),
    # Eighths: two of them are never so near that scikit-learn takes the column for a constant.
    arrays.arrays(np.int64, (30, 2), elements=st.integers(-1_000_000, 1_000_000), unique=True).map(lambda a: a / 8),
)
def test_it_answers_as_scikit_learn_does_to_the_last_bit(words: list[str], table: Any) -> None:
    from sklearn.preprocessing import MinMaxScaler, OneHotEncoder

    column, table = np.array(words)[:, None], table[: len(words)]
    encoder, scaler = OneHotEncoder(sparse_output=False).fit(column), MinMaxScaler().fit(table[:2])
    expected = np.concatenate([encoder.transform(column), scaler.transform(table)], axis=1).astype(np.float32)
    ends = zip(("a", "b"), scaler.data_min_.tolist(), scaler.data_max_.tolist(), strict=True)
    stored = Preprocessor((Category("word", tuple(encoder.categories_[0])), *(Number(*end) for end in ends)))
    raw = [[word, *row] for word, row in zip(words, table.tolist(), strict=True)]
    assert np.array_equal(stored.transform(raw), expected)
    assert np.array_equal(stored.transform(np.array(raw, dtype=object)), expected)


@given(rows)
def test_a_mixed_row_that_numpy_made_text_of_is_read_back(table: list[Any]) -> None:
    as_text = np.array([list(row) for row in table])
    assert as_text.dtype.kind == "U"
    assert np.array_equal(BOTH.transform(as_text), BOTH.transform(table))


@given(rows)
def test_a_batch_is_its_rows(table: list[Any]) -> None:
    batch = BOTH.transform(table)
    assert batch.dtype == np.float32
    assert batch.shape == (len(table), len(BOTH.features))
    assert np.array_equal(batch, np.concatenate([BOTH.transform([row]) for row in table]))


def test_the_names_of_the_columns() -> None:
    assert BOTH.features == ("kind_bird", "kind_cat", "kind_dog", "legs", "weight")


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner, inner), max_leaves=15)


@settings(deadline=None, max_examples=300)
@given(values)
def test_no_value_does_more_than_be_refused(value: Any) -> None:
    try:
        found = BOTH.transform(value)
    except InvalidInput as refusal:
        assert "expected" in str(refusal)  # noqa: PT017
        assert "found" in str(refusal)  # noqa: PT017
    else:
        assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([["dgo", 4, 1]], "kind: expected one of bird, cat, dog; found 'dgo' (did you mean dog?)"),
        ([["xyz", 4, 1]], "kind: expected one of bird, cat, dog; found 'xyz'"),
        ([["dog", 4, 1], ["Dog", 4, 1]], "found 'Dog'"),
        ([["", 4, 1]], "found ''"),
        ([[None, 4, 1]], "kind: expected one of bird, cat, dog; found None"),
        ([[["dog"], 4, 1]], "kind: expected"),
        ([[3, 4, 1]], "kind: expected one of bird, cat, dog; found 3"),
        ([["d" * 1_000_000, 4, 1]], "..."),
        ([["dog", "four", 1]], "legs: expected a finite number; found 'four'"),
        ([["dog", 4, None]], "weight: expected a finite number; found None"),
        ([["dog", True, 1]], "legs: expected a finite number; found True"),
        (np.array([["dog", True, 1]]), "legs: expected a finite number; found 'True'"),
        ([["dog", [4], 1]], "legs: expected a finite number; found [4]"),
        ([["dog", float("nan"), 1]], "legs: expected a finite number; found nan"),
        (np.array([["dog", float("nan"), 1]]), "legs: expected a finite number; found 'nan'"),
        ([["dog", 4, float("-inf")]], "weight: expected a finite number; found -inf"),
        ([["dog", 10**400, 1]], "legs: expected a finite number"),
        ([["dog", 1e60, 1]], "a number too large for float32"),
        ([["dog", 4]], "(N, 3): kind, legs, weight; found a row of 2"),
        ([["dog", 4, 1, 0]], "found a row of 4"),
        ([["dog", 4, 1], ["dog", 4]], "found a row of 2"),
        (["dog", 4, 1], "found a row that is no list: 'dog'"),
        ([[]], "found a row of 0"),
        ([], "found [], which is no list of rows"),
        ("dog", "found 'dog', which is no list of rows"),
        (b"dog", "which is no list of rows"),
        (None, "found None, which is no list of rows"),
        ({"kind": "dog"}, "which is no list of rows"),
        (np.array(4.0), "which is no list of rows"),
        (np.zeros((1, 3)), "kind: expected one of bird, cat, dog; found 0.0"),
        (np.zeros((1, 3, 1)), "kind: expected"),
    ],
)
def test_what_it_refuses(table: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(message)) as refusal:
        BOTH.transform(table)
    assert len(str(refusal.value)) < 250
    assert "\n" not in str(refusal.value)
