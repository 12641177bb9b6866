"""The forms in which /invocations takes a batch, read strictly, before MLflow reads them: what passes is answered.

MLflow by itself takes numbers in quotes for numbers, answers NaN with a bare NaN, which is no JSON, and puts stack
traces into its refusals.
"""

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from shared_models import InvalidInput, Model

JSON, CSV = "application/json", "text/csv"
FORMS = ("inputs", "instances", "dataframe_split", "dataframe_records")
WANTED = f"expected a JSON object with exactly one of {', '.join(FORMS)}"
Read = tuple[Any, bool]  # the rows, and whether MLflow takes the body as it is


@dataclass(frozen=True, slots=True)
class Forms:
    """The forms of one model; ``tensor``: its signature is one tensor without a name, not a table of named columns."""

    model: Model
    tensor: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of a table's columns. Rows whose values have no names stand in one column, as tensors."""
        return self.model.features or (self.model.input.name,)

    def accept(self, kind: str, body: bytes) -> tuple[str, bytes]:
        """Content type and body for MLflow: as they came, or the same rows in the form that the signature takes.

        A signature of columns refuses bare rows, and one tensor refuses a table or, what is worse, takes its columns
        in any order. Raises InvalidInput with what was expected and what was found.
        """
        rows, as_it_is = self._from_csv(body) if kind == CSV else self._from_json(body)
        checked = self.model.rows(rows)
        if as_it_is:
            return kind, body
        rows = np.ascontiguousarray(checked)
        form = {"inputs": rows} if self.tensor else {"dataframe_split": {"columns": self.columns, "data": rows}}
        return JSON, orjson.dumps(form, option=orjson.OPT_SERIALIZE_NUMPY)

    def _from_json(self, body: bytes) -> Read:
        try:
            document = orjson.loads(body)  # refuses NaN and Infinity, which are not JSON
        except orjson.JSONDecodeError as error:
            raise InvalidInput(f"{WANTED}; found malformed JSON: {error}") from None
        if not isinstance(document, dict):
            raise InvalidInput(f"{WANTED}; found no object")
        form, value = next(iter(document.items()), ("", None))
        if len(document) != 1 or form not in FORMS:
            raise InvalidInput(f"{WANTED}; found {', '.join(document)[:100] or 'an empty one'}")
        if form == "inputs" and not isinstance(value, dict):
            return value, self.tensor
        if form == "instances" and not _holds_objects(value):
            return value, self.tensor
        try:
            rows, exact = self._from_table(form, value)
            return (rows, exact) if self.model.features else (self._from_cells(rows), False)
        except (TypeError, ValueError, LookupError):  # whatever a table can lack
            wanted = f"expected {form} to be a table with the columns {', '.join(self.columns)}"
            raise InvalidInput(f"{wanted}; found one without them, or with rows of unequal length") from None

    def _from_table(self, form: str, value: Any) -> Read:
        """The rows of a table, their values in the model's order, and whether it has these columns and no others."""
        names = self.columns
        if form == "dataframe_split":
            return self._from_split(**value)
        if form == "inputs":
            return list(zip(*(value[name] for name in names), strict=True)), len(value) == len(names)
        return [[row[name] for name in names] for row in value], all(len(row) == len(names) for row in value)

    def _from_split(self, columns: list[str], data: list[Any], index: object = None) -> Read:
        if tuple(columns) == self.columns:
            return data, index is None
        if len(set(columns)) != len(columns):
            raise ValueError
        order = [columns.index(name) for name in self.columns]
        return [[row[position] for position in order] for row in data], False

    def _from_cells(self, rows: list[Any]) -> Any:
        """The tensors that are the only values of these rows, each nested as the model's, or flat."""
        (cells,) = zip(*rows, strict=True)
        shape = self.model.input.shape[1:]
        array = np.array(cells, dtype=object)
        if None not in shape and array.shape[1:] == (math.prod(size or 0 for size in shape),):
            return array.reshape(-1, *shape).tolist()
        return list(cells)

    def _from_csv(self, body: bytes) -> Read:
        # On use: a model of tensors may never need it.
        import pandas as pd  # type: ignore[import-untyped]

        if not self.model.features:
            raise InvalidInput(f"expected {JSON}: the rows of {self.model.name} have no named columns; found {CSV}")
        names = list(self.columns)
        try:
            table = pd.read_csv(io.BytesIO(body), dtype=dict.fromkeys(names, float))
            rows = table[names].to_numpy()
        except (ValueError, LookupError, OverflowError) as error:
            found = f"{error}".partition("\n")[0][:200]
            raise InvalidInput(f"expected CSV with the columns {', '.join(names)}; found another: {found}") from None
        if not isinstance(table.index, pd.RangeIndex):  # pandas takes what is too much for names of the rows
            raise InvalidInput("expected CSV with a value for each of its columns; found rows with more")
        return rows, list(table.columns) == names and not self.tensor


def _holds_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)
