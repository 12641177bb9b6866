"""What steps hand to each other: JSON and YAML files. JSON is YAML too, so one reader takes both."""

import json
import os
from pathlib import Path
from typing import Any

import yaml

from servelab.errors import ServelabError


class StepFailed(ServelabError):
    """A step could not do its work; the message says what was expected, what was found and what to type next."""


def read(path: Path, what: str) -> dict[str, Any]:
    """The one object in a JSON or YAML file; StepFailed names the file and what it should be."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StepFailed(f"expected {what} in {path}; cannot read it: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StepFailed(f"expected {what} in {path}; found a fault: {error}") from None
    if not isinstance(document, dict):
        raise StepFailed(f"expected {what} in {path}; found {type(document).__name__}, no object")
    return document


def number(document: dict[str, Any], key: str, path: Path) -> float:
    """The number under a key; StepFailed names file and key."""
    value = document.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise StepFailed(f"{path}: {key}: expected a number; found {value!r}")
    return float(value)


def write(path: Path, text: str) -> None:
    """A file at once or not at all, its folder made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")  # another run may write the same
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise StepFailed(f"cannot write {path}: {error.strerror}. Name another file or make room") from None


def write_json(path: Path, value: object) -> None:
    """Indented JSON, a newline at its end."""
    write(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
