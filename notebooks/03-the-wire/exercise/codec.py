"""A codec between two dialects: what Seldon calls "data", and what V2 calls a tensor.

    {"ndarray": [[5.0, 3.5], [6.5, 3.0]]}
    {"name": "x", "shape": [2, 2], "datatype": "FP64", "data": [5.0, 3.5, 6.5, 3.0]}

Neither function changes a value. What cannot be carried over is a ValueError that says why.
"""

import math  # solution
from typing import Any

# V2's names of what JSON can hold: a boolean, a whole number, any other number, a text.
DATATYPES = {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}


def to_v2(data: dict[str, Any], name: str) -> dict[str, Any]:
    """The V2 tensor, called ``name``, of Seldon's data with an ``ndarray``: its values in one flat list, row by row.

    Whole numbers among other numbers become FP64, for a tensor has one datatype. ValueError for rows of different
    lengths, for values of types that do not go together (texts or booleans among numbers), for null, for a whole
    number beyond 64 bits or, among floats, one that no float equals (2**53 + 1), and for no values at all: nothing says
    which datatype they would have.
    """
    # starter: raise NotImplementedError
    # solution: begin
    shape, values = flat(data["ndarray"])
    kinds = {type(value) for value in values}
    whole = [value for value in values if type(value) is int]
    if not all(-(2**63) <= value < 2**63 for value in whole):
        raise ValueError("expected whole numbers of 64 bits; found a larger one")
    if kinds == {int, float}:
        if not all(float(value) == value for value in whole):
            raise ValueError("expected whole numbers that a float equals, among other numbers; found a larger one")
        kinds, values = {float}, [float(value) for value in values]
    if len(kinds) != 1 or not kinds <= DATATYPES.keys():
        found = ", ".join(sorted(kind.__name__ for kind in kinds)) or "no values"
        raise ValueError(f"expected values of one type: {', '.join(DATATYPES.values())}; found {found}")
    return {"name": name, "shape": shape, "datatype": DATATYPES[kinds.pop()], "data": values}
    # solution: end


def to_seldon(tensor: dict[str, Any]) -> dict[str, Any]:
    """Seldon's data, with an ``ndarray``, of a V2 tensor; V2 allows its data to be flat, or nested already.

    The numbers of a FP16, FP32 or FP64 tensor become floats, for a client may write 1.0 as 1. ValueError for a shape
    that does not fit the number of values, and for no values at all: nested lists cannot say how wide no row is.
    """
    # starter: raise NotImplementedError
    # solution: begin
    shape, (_, values) = tensor["shape"], flat(tensor["data"])
    if not values or len(values) != math.prod(shape):
        raise ValueError(f"expected the shape {shape} to hold one or more values; found {len(values)}")
    if tensor["datatype"] in ("FP16", "FP32", "FP64"):
        values = [float(value) for value in values]
    for size in reversed(shape[1:]):
        values = [values[start : start + size] for start in range(0, len(values), size)]
    return {"ndarray": values}
    # solution: end


# solution: begin
def flat(rows: list[Any]) -> tuple[list[int], list[Any]]:
    """The shape of nested lists, and their values in one list; ValueError when the rows are not alike."""
    shape = [len(rows)]
    while any(isinstance(row, list) for row in rows):
        lengths = {len(row) if isinstance(row, list) else None for row in rows}
        if len(lengths) > 1:
            raise ValueError("expected rows of one length; found different lengths, or values among rows")
        shape += lengths
        rows = [value for row in rows for value in row]
    return shape, rows


# solution: end
