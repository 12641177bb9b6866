"""Raw rows to a model's input: one-hot for a category, min-max scaling for a number, as fitted when it was trained.

The fitted values stand in the model's card as plain data, so nothing is unpickled to use them. The arithmetic is that
of scikit-learn's OneHotEncoder and MinMaxScaler, to the last bit.
"""

import difflib
import math
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_models.errors import InvalidInput, shape_text

_LONGEST = 40  # characters of a word that are compared with the known ones


@dataclass(frozen=True, slots=True)
class Category:
    """A raw column of words: one column of the input per known word, 1 for the word of the row and 0 for the others."""

    name: str
    categories: tuple[str, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """The names of its columns of the input."""
        return tuple(f"{self.name}_{word}" for word in self.categories)

    def transform(self, column: Sequence[Any]) -> NDArray[np.float64]:
        """(N, categories) zeros and ones. Raises `InvalidInput` for a word that is not known."""
        codes = [self._code(word) for word in column]
        return np.eye(len(self.categories))[codes]

    def _code(self, word: Any) -> int:
        try:
            return self.categories.index(word)
        except ValueError:
            near = difflib.get_close_matches(str(word)[:_LONGEST], self.categories, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            known = ", ".join(self.categories)
            raise InvalidInput(f"{self.name}: expected one of {known}; found {reprlib.repr(word)}{hint}") from None


@dataclass(frozen=True, slots=True)
class Number:
    """A raw column of numbers: one column of the input, 0 at ``minimum`` and 1 at ``maximum``, outside them beyond."""

    name: str
    minimum: float
    maximum: float

    @property
    def features(self) -> tuple[str, ...]:
        """The name of its column of the input."""
        return (self.name,)

    def transform(self, column: Sequence[Any]) -> NDArray[np.float64]:
        """(N, 1). Raises `InvalidInput` for what is no finite number."""
        scale = 1.0 / (self.maximum - self.minimum)
        values = np.array([self._value(value) for value in column])
        return (values * scale + -self.minimum * scale)[:, None]

    def _value(self, value: Any) -> float:
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise InvalidInput(f"{self.name}: expected a finite number; found {reprlib.repr(value)}")
        return number


Column = Category | Number


@dataclass(frozen=True, slots=True)
class Preprocessor:
    """The fitted columns of a raw row, in order."""

    columns: tuple[Column, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """One name per column of the model's input."""
        return tuple(chain.from_iterable(column.features for column in self.columns))

    def transform(self, rows: NDArray[Any] | Sequence[Sequence[object]]) -> NDArray[np.float32]:
        """The model's input, (N, width) float32, for raw ``rows``, (N, columns): lists of strings and numbers.

        A number may be text: numpy makes text of every number in a mixed row, and whoever got such an array cannot
        tell. Raises `InvalidInput` naming the column, what was expected and what was found.
        """
        columns = self._columns(rows)
        parts = [column.transform(values) for column, values in zip(self.columns, columns, strict=True)]
        with np.errstate(over="ignore"):
            batch = np.concatenate(parts, axis=1).astype(np.float32)
        if not np.isfinite(batch).all():
            raise self._invalid("a number too large for float32")
        return batch

    def _columns(self, rows: NDArray[Any] | Sequence[Sequence[object]]) -> list[tuple[Any, ...]]:
        table = rows.tolist() if isinstance(rows, np.ndarray) else rows
        if not isinstance(table, (list, tuple)) or not table:
            raise self._invalid(f"{reprlib.repr(table)}, which is no list of rows")
        for row in table:
            if not isinstance(row, (list, tuple)):
                raise self._invalid(f"a row that is no list: {reprlib.repr(row)}")
            if len(row) != len(self.columns):
                raise self._invalid(f"a row of {len(row)}")
        return list(zip(*table, strict=True))

    def _invalid(self, found: str) -> InvalidInput:
        names = ", ".join(column.name for column in self.columns)
        return InvalidInput(
            f"expected raw rows of shape {shape_text(('N', len(self.columns)))}: {names}; found {found}"
        )
