"""What a SeldonMessage in JSON must be. The wrapper trusts it, and answers its own stumbling with a 500."""

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from shared_models import InvalidInput

PAYLOADS = ("data", "jsonData", "strData", "binData")
WANTED = 'expected a JSON object with data, such as {"data": {"ndarray": [[5.1, 3.5, 1.4, 0.2]]}}'
META: Mapping[str, type] = {"tags": dict, "requestPath": dict, "routing": dict, "metrics": list, "puid": str}
MAX_ARRAY = 2**28  # bytes of an array of strings
UNICODE = 4  # bytes of a character in it (https://numpy.org/doc/stable/reference/arrays.dtypes.html)
NUMBER = 32  # characters that numpy takes for a number among strings
NAMES = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}


def check(message: Any, booleans: bool = True) -> None:
    """Raise InvalidInput unless a component can be given what the message holds.

    ``booleans`` False: its text holds neither true nor false, so that none need be looked for.
    """
    if not isinstance(message, dict):
        raise InvalidInput(f"{WANTED}; found {_kind(message)}")
    _check_meta(message.get("meta", {}))
    payload = next((name for name in PAYLOADS if name in message), None)
    if payload is None:
        raise InvalidInput(f"{WANTED}; found {', '.join(message)[:100] or 'an empty one'}")
    value = message[payload]
    if payload == "data":
        _check_data(value, booleans)
    elif payload != "jsonData" and not isinstance(value, str | bytes):  # bytes: of a file in a form
        raise InvalidInput(f"expected {payload} to be a string; found {_kind(value)}")
    elif payload == "binData":
        try:
            base64.b64decode(value)
        except ValueError as error:
            raise InvalidInput(f"expected binData to be base64; found otherwise: {error}") from None


def check_width(values: list[Any]) -> None:
    """Raise InvalidInput for nested lists of which the wrapper would make an array that takes all memory.

    numpy makes every value as wide as the longest string among them: a body of 1 MB could ask for 100 GB.
    """
    count = longest = 0
    level: Sequence[Any] = values
    while level:
        kinds = set(map(type, level))
        lists = [value for value in level if type(value) is list] if list in kinds else []
        count += len(level) - len(lists)
        if str in kinds:
            longest = max(longest, NUMBER, *(len(value) for value in level if type(value) is str))
        level = [*chain.from_iterable(lists)]
    if count * longest * UNICODE > MAX_ARRAY:
        raise InvalidInput(
            f"expected fewer rows at once or shorter strings in them; found {count} values, of which the longest has "
            f"{longest} characters: an array of them has more than {MAX_ARRAY >> 20} MiB"
        )


def _check_data(data: Any, booleans: bool) -> None:
    if not isinstance(data, dict):
        raise InvalidInput(f"{WANTED}; found data to be {_kind(data)}")
    names = data.get("names", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidInput("expected data.names to be a list of strings; found another")
    if "tensor" in data:
        values = _values(data["tensor"])
    elif "ndarray" in data:
        values = data["ndarray"]
    else:
        raise InvalidInput(f"expected data to hold an ndarray or a tensor; found {', '.join(data)[:100] or 'neither'}")
    if not isinstance(values, list):
        raise InvalidInput(f"expected data.ndarray to be a list of rows; found {_kind(values)}")
    check_width(values)
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, OverflowError):
        raise InvalidInput("expected rows of equal length; found rows that are no regular array") from None
    if booleans and array.dtype.kind in "fiu" and _holds_booleans(values, array.ndim):
        raise InvalidInput("expected numbers; found booleans among them, which numpy would read as 1 and 0")


def _values(tensor: Any) -> list[Any]:
    """The values of a tensor whose shape they fill."""
    wanted = 'expected data.tensor to be {"shape": [rows, columns], "values": [...]}'
    if not isinstance(tensor, dict) or not all(isinstance(tensor.get(key), list) for key in ("shape", "values")):
        raise InvalidInput(f"{wanted}; found one without these lists")
    shape, values = tensor["shape"], tensor["values"]
    if not all(type(size) is int and size >= 0 for size in shape):
        raise InvalidInput(f"{wanted}; found a shape that is no list of sizes")
    if math.prod(shape) != len(values):
        raise InvalidInput(f"{wanted} with {math.prod(shape)} values for the shape {shape}; found {len(values)}")
    return values  # type: ignore[no-any-return]


def _check_meta(meta: Any) -> None:
    if not isinstance(meta, dict):
        raise InvalidInput(f"expected meta to be an object; found {_kind(meta)}")
    for key, kind in META.items():
        if not isinstance(meta.get(key, kind()), kind):
            raise InvalidInput(f"expected meta.{key} to be {NAMES[kind]}; found {_kind(meta[key])}")


def _holds_booleans(values: Iterable[Any], depth: int) -> bool:
    for _ in range(depth - 1):
        values = chain.from_iterable(values)
    return bool in map(type, values)


def _kind(value: Any) -> str:
    return NAMES.get(type(value), "a number")
