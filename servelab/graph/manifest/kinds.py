"""What a field of a manifest may hold. Each kind reads a value as it was probably meant, and reports what is wrong.

Reading on as it was meant lets one pass find every fault of a document, without the faults that follow from a typo.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from servelab.contract import nearest
from servelab.graph.manifest.problem import SHOWN, Problem

INT32 = 2**31 - 1


class Kind(Protocol):
    """A kind of value; ``read`` never raises, whatever the value."""

    def read(self, value: object, path: str, problems: list[Problem]) -> Any:
        """The value as it was meant, None where that cannot be guessed; what is wrong is added to ``problems``."""


def found(value: object) -> str:
    """A value for a message: short, and a missing one by its name."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def at(path: str, key: str) -> str:
    """The path of a key: ``spec.name``, or ``labels['app.kubernetes.io/name']`` where a dot would mislead."""
    if not re.fullmatch(r"[\w-]{1,80}", key):
        return f"{path}[{found(key)}]"
    return f"{path}.{key}" if path else key


@dataclass(frozen=True, slots=True)
class Anything:
    """A field that is known, and that nothing here looks into."""

    def read(self, value: object, path: str, problems: list[Problem]) -> Any:  # noqa: ARG002
        return value


@dataclass(frozen=True, slots=True)
class Refused:
    """A field that may not be there, and why."""

    why: str

    def read(self, value: object, path: str, problems: list[Problem]) -> None:  # noqa: ARG002
        problems.append(Problem(path, self.why))


@dataclass(frozen=True, slots=True)
class Text:
    """A string; one of ``allowed`` where there are any."""

    allowed: tuple[str, ...] = ()

    def read(self, value: object, path: str, problems: list[Problem]) -> str | None:
        expected = f"one of {', '.join(self.allowed)}" if self.allowed else "a string"
        if not isinstance(value, str):
            quotes = "; write it in quotes" if isinstance(value, bool | int | float) else ""
            problems.append(Problem(path, f"expected {expected}; found {found(value)}{quotes}"))
            return str(value) if quotes else None
        if self.allowed and value not in self.allowed:
            alike = value.upper() if self.allowed[0].isupper() else value.lower()
            close = difflib.get_close_matches(alike, self.allowed, n=1)
            problems.append(Problem(path, f"expected {expected}; found {found(value)}{nearest(alike, close)}"))
            return close[0] if close else value
        return value


@dataclass(frozen=True, slots=True)
class Name:
    """A string that is not empty."""

    def read(self, value: object, path: str, problems: list[Problem]) -> str | None:
        if value == "":
            problems.append(Problem(path, "expected a name; found an empty string"))
        return Text().read(value, path, problems) or None


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number of 32 bits."""

    least: int = 0
    most: int = INT32

    def read(self, value: object, path: str, problems: list[Problem]) -> int | None:
        if type(value) is int and self.least <= value <= self.most:
            return value
        bounds = f" from {self.least} to {self.most}" if type(value) is int else ""
        digits = isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value) is not None
        hint = "; write it without quotes" if digits else ""
        problems.append(Problem(path, f"expected a whole number{bounds}; found {found(value)}{hint}"))
        return int(str(value)) if digits else None


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    def read(self, value: object, path: str, problems: list[Problem]) -> bool | None:
        if isinstance(value, bool):
            return value
        problems.append(Problem(path, f"expected true or false; found {found(value)}"))
        return {"true": True, "false": False}.get(str(value).lower())


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount as Kubernetes writes it: 2, '500m', 1Gi."""

    def read(self, value: object, path: str, problems: list[Problem]) -> Any:
        number = r"([0-9]+(\.[0-9]*)?|\.[0-9]+)"
        written = rf"[+-]?{number}([KMGTPE]i|[numkMGTPE]|[eE][+-]?{number})?"
        if type(value) is int or (isinstance(value, str) and re.fullmatch(written, value)):
            return value
        hint = "; write it in quotes" if isinstance(value, float) else ""
        problems.append(Problem(path, f"expected an amount such as '500m' or 1Gi; found {found(value)}{hint}"))
        return None


@dataclass(frozen=True, slots=True)
class Either:
    """A whole number or a string, such as a port by its number or its name."""

    def read(self, value: object, path: str, problems: list[Problem]) -> Any:
        if type(value) is int or isinstance(value, str):
            return value
        problems.append(Problem(path, f"expected a whole number or a string; found {found(value)}"))
        return None


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list, every item of one kind."""

    item: Kind
    least: int = 0

    def read(self, value: object, path: str, problems: list[Problem]) -> list[Any]:
        if not isinstance(value, list | tuple):
            problems.append(Problem(path, f"expected a list; found {found(value)}"))
            return []
        if len(value) < self.least:
            problems.append(Problem(path, "expected a list with at least one item; found an empty one"))
        items = (self.item.read(item, f"{path}[{i}]", problems) for i, item in enumerate(value))
        return [item for item in items if item is not None]


@dataclass(frozen=True, slots=True)
class MapOf:
    """Any keys, every value of one kind: labels, annotations, requests."""

    item: Kind

    def read(self, value: object, path: str, problems: list[Problem]) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            problems.append(Problem(path, f"expected a mapping; found {found(value)}"))
            return {}
        items = {str(k): self.item.read(v, at(path, str(k)), problems) for k, v in value.items()}
        return {key: item for key, item in items.items() if item is not None}


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping with known keys; ``required`` ones must be there."""

    fields: Mapping[str, Kind]
    required: tuple[str, ...] = ()

    def read(self, value: object, path: str, problems: list[Problem]) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            problems.append(Problem(path, f"expected a mapping with the keys {self._keys()}; found {found(value)}"))
            return {}
        meant: dict[str, Any] = {}
        for written, item in value.items():
            key = self._key(str(written), value, path, problems)
            if key is not None:
                meant[key] = self.fields[key].read(item, at(path, str(written)), problems)
        problems += [
            Problem(path, f"expected the key {key!r}; it is missing") for key in self.required if key not in meant
        ]
        return {key: item for key, item in meant.items() if item is not None}

    def _key(self, written: str, value: Mapping[str, Any], path: str, problems: list[Problem]) -> str | None:
        if written in self.fields:
            return written
        # Looking for near misses costs; behind the faults that are shown, nobody reads them.
        close = difflib.get_close_matches(written, self.fields, n=1) if len(problems) < SHOWN else []
        hint = nearest(written, close)
        problems.append(Problem(at(path, written), f"unknown key {found(written)}{hint}; the keys are: {self._keys()}"))
        return close[0] if close and close[0] not in value else None

    def _keys(self) -> str:
        return ", ".join(self.fields)
