"""Reads a TOML table into a frozen dataclass, so that the dataclass is the one statement of a contract.

Allowed values are Literal types; the errors name the file, the key, what was expected and what was found.
"""

import dataclasses
import difflib
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from servelab.errors import StrategyError

T = TypeVar("T")


def nearest(word: str, words: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the nearest of the words, or nothing."""
    close = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def read(cls: type[T], table: Mapping[str, Any], file: Path, where: str = "", **given: Any) -> T:
    """Build ``cls`` from a TOML table; ``given`` holds the fields that do not come from the file.

    Raises StrategyError on an unknown or missing key, a wrong type, or a value that is not allowed.
    """
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(typing.cast(Any, cls)) if f.name not in given}
    for key in table:
        if key not in fields:
            raise StrategyError(
                f"{file}: unknown key {where + key!r}{nearest(key, fields)}; the keys are: {', '.join(fields)}"
            )
    values = dict(given)
    for name, field in fields.items():
        if name in table:
            values[name] = _convert(hints[name], table[name], file, where + name)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise StrategyError(f"{file}: the key {where + name!r} is missing; add it as {_named(hints[name])}")
    return cls(**values)


def _convert(hint: Any, value: Any, file: Path, key: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(value, list):
        return tuple(_convert(arguments[0], item, file, f"{key}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        pairs = {k: _convert(arguments[1], v, file, f"{key}.{k}") for k, v in value.items()}
        return types.MappingProxyType(pairs)
    if origin is types.UnionType and type(None) in arguments:  # an optional value, null in JSON
        return None if value is None else _convert(arguments[0], value, file, key)
    if hint is float and type(value) is int and abs(value) <= sys.float_info.max:
        return float(value)
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return read(typing.cast(type[Any], hint), value, file, f"{key}.")
    if type(value) is hint or (origin is Literal and value in arguments):
        return value
    close = nearest(str(value), map(str, arguments)) if origin is Literal else ""
    raise StrategyError(f"{file}: {key} must be {_named(hint)}; found {value!r}{close}")


def _named(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin is tuple:
        return f"a list, each item {_named(arguments[0])}"
    if origin is dict or dataclasses.is_dataclass(hint):
        return "a table"
    if origin is types.UnionType:
        return f"{_named(arguments[0])}, or nothing"
    names = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
    return names.get(hint, str(hint))
