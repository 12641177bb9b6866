"""An append-only file of JSON lines: what was written stays, whenever and however the writer ends.

A line is on disk before the next step begins. A kill in the middle of a line leaves a torn one, which the next writer
cuts off and every reader passes over.
"""

import fcntl
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.errors import BenchError

_INFINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


class Journal:
    """One writer's hold on a journal; a context manager. Raises BenchError when another process writes to it."""

    def __init__(self, file: Path) -> None:
        self._stream = file.open("ab+")
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._stream.close()
            raise BenchError(f"another process is writing to {file}; wait until it has ended") from None
        self._stream.truncate(_whole(file.read_bytes()))

    def append(self, kind: str, **content: Any) -> None:
        """Write one line and wait until the disk has it."""
        line = json.dumps(plain({"kind": kind, **content}), allow_nan=False, ensure_ascii=False)
        self._stream.write(line.encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()


def read(file: Path) -> Iterator[dict[str, Any]]:
    """Every whole line, in order. Raises BenchError when one of them is not from a journal."""
    content = file.read_bytes()
    for number, line in enumerate(content[: _whole(content)].splitlines(), 1):
        try:
            entry = json.loads(line, object_hook=_revive)
            entry["kind"]
        except (ValueError, TypeError, KeyError):
            raise BenchError(
                f"{file}, line {number}: expected a JSON object with a kind; found {line[:60]!r}"
            ) from None
        yield entry


def _whole(content: bytes) -> int:
    """The length of all whole lines."""
    return content.rfind(b"\n") + 1


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of a dataclass, one level deep."""
    return {each.name: getattr(value, each.name) for each in fields(value)}


def plain(value: Any) -> Any:
    """Values as strict JSON has them: dataclasses become objects, infinite numbers become "inf"."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(fields_of(value))
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(float(value))
    return value


def _revive(content: dict[str, Any]) -> dict[str, Any]:
    return {key: _INFINITE.get(item, item) if isinstance(item, str) else item for key, item in content.items()}
