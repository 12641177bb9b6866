"""A model's card: what the artifact is, where it comes from, and how to call it.

``card.json`` stands beside ``model.onnx``. Six keys are required (they are what a caller must know), the others tell
the story. The form follows "Model Cards for Model Reporting" (Mitchell et al., 2019), cut down to what a machine
checks and a reader asks first.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from shared_models.errors import ModelError
from shared_models.preprocessor import Category, Column, Number, Preprocessor

FILE = "card.json"
INPUT_DTYPES = ("float32", "float64", "int64")
OUTPUT_DTYPES = ("float32", "float64")
IMAGE_PIXELS = 28 * 28  # what `Model.preprocess` makes of an image

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # safe in a URL path and as a folder
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Tensor:
    """Name, shape and dtype of a graph's input or output; ``shape[0]`` is None, the batch."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Card:
    """The checked content of a ``card.json``. ``input`` to ``labels`` describe the call, the rest is for people.

    ``features`` names the columns of a (N, width) input. ``takes_images`` says that an image, brought to 28x28
    pixels of 0..1, is an input row. ``preprocessor`` makes the input of raw rows. ``parameters`` holds a small model
    whole (coefficients and intercepts).
    """

    name: str
    version: str
    sha256: str
    input: Tensor
    output: Tensor
    labels: tuple[str, ...]
    features: tuple[str, ...] = ()
    takes_images: bool = False
    preprocessor: Preprocessor | None = None
    summary: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)


def read(folder: Path) -> Card:
    """The card of ``folder``; `ModelError` names the file, the key, what was expected and what was found."""
    path = folder / FILE
    document = read_json(path)
    if not isinstance(document, dict):
        raise ModelError(f"{path}: expected a JSON object, found {_kind(document)}")
    known = [f.name for f in fields(Card)]
    required = [f.name for f in fields(Card) if f.default is MISSING and f.default_factory is MISSING]
    for key in document:
        if key not in known:
            raise ModelError(f"{path}: unknown key {key!r}; allowed are {', '.join(known)}")
    for key in required:
        if key not in document:
            raise ModelError(f"{path}: the key {key!r} is missing; required are {', '.join(required)}")
    card = Card(**{key: _value(path, key, value) for key, value in document.items()})
    _check_shapes(path, card)
    return card


def read_json(path: Path) -> Any:
    """The JSON document in ``path``; `ModelError` when it is absent or is no JSON."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: expected a readable JSON file, found {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: expected JSON, found a fault: {error}") from None


def _value(path: Path, key: str, value: Any) -> Any:
    if key in ("name", "version"):
        return _text(path, key, value, _NAME, "letters, digits, '.', '_' and '-' in quotes")
    if key == "sha256":
        return _text(path, key, value, _SHA256, "64 lower-case hexadecimal digits (sha256sum model.onnx)")
    if key == "input":
        return _tensor(path, key, value, INPUT_DTYPES)
    if key == "output":
        return _tensor(path, key, value, OUTPUT_DTYPES)
    if key in ("labels", "features") or key.endswith(".categories"):
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise _wrong(path, key, "a list of non-empty strings", value)
        if len(set(value)) != len(value):
            raise _wrong(path, key, "a list without repetitions", value)
        return tuple(value)
    if key == "preprocessor":
        return _preprocessor(path, key, value)
    wanted = {"takes_images": bool, "summary": str}.get(key, dict)
    if not isinstance(value, wanted):
        raise _wrong(path, key, {bool: "true or false", str: "a string", dict: "an object"}[wanted], value)
    return value


def _text(path: Path, key: str, value: Any, pattern: re.Pattern[str], expected: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _wrong(path, key, expected, value)
    return value


def _tensor(path: Path, key: str, value: Any, dtypes: tuple[str, ...]) -> Tensor:
    if not isinstance(value, dict) or set(value) != {"name", "shape", "dtype"}:
        raise _wrong(path, key, 'an object {"name": ..., "shape": [null, ...], "dtype": ...}', value)
    name, shape, dtype = value["name"], value["shape"], value["dtype"]
    if not isinstance(name, str) or not name:
        raise _wrong(path, f"{key}.name", "a non-empty string", name)
    if not isinstance(shape, list) or len(shape) < 2 or shape[0] is not None or not all(map(_is_size, shape)):
        raise _wrong(path, f"{key}.shape", "null (the batch), then one or more sizes: [null, 4]", shape)
    if dtype not in dtypes:
        raise _wrong(path, f"{key}.dtype", f"one of {', '.join(dtypes)}", dtype)
    return Tensor(name, tuple(shape), dtype)


def _preprocessor(path: Path, key: str, value: Any) -> Preprocessor:
    if not isinstance(value, dict) or set(value) != {"columns"} or not isinstance(value["columns"], list):
        raise _wrong(path, key, 'an object {"columns": [...]}, one per raw column', value)
    return Preprocessor(
        tuple(_column(path, f"{key}.columns[{i}]", column) for i, column in enumerate(value["columns"]))
    )


def _column(path: Path, key: str, value: Any) -> Column:
    keys = set(value) if isinstance(value, dict) else set()
    if keys == {"name", "categories"} and isinstance(value["name"], str):
        return Category(value["name"], _value(path, f"{key}.categories", value["categories"]))
    if keys == {"name", "minimum", "maximum"} and isinstance(value["name"], str):
        ends = value["minimum"], value["maximum"]
        if all(type(end) in (int, float) and math.isfinite(end) for end in ends) and ends[0] < ends[1]:
            return Number(value["name"], *map(float, ends))
    expected = '{"name": ..., "categories": [...]} or {"name": ..., "minimum": low, "maximum": high}, low below high'
    raise _wrong(path, key, expected, value)


def _is_size(size: Any) -> bool:
    return size is None or (type(size) is int and size > 0)


def _check_shapes(path: Path, card: Card) -> None:
    """The keys must agree with each other, too."""
    row = card.input.shape[1:]
    if card.output.shape != (None, len(card.labels)):
        expected = f"[null, {len(card.labels)}], a probability for each of the labels"
        raise _wrong(path, "output.shape", expected, list(card.output.shape))
    if card.features and row != (len(card.features),):
        raise _wrong(path, "features", f"one name per column of the input, {list(row)}", list(card.features))
    if card.preprocessor and card.preprocessor.features != card.features:
        expected = f"the columns that the preprocessor makes, {list(card.preprocessor.features)}"
        raise _wrong(path, "features", expected, list(card.features))
    if card.takes_images and (None in row or math.prod(n or 0 for n in row) != IMAGE_PIXELS):
        raise _wrong(path, "input.shape", f"{IMAGE_PIXELS} values per row, as takes_images is true", [None, *row])
    if card.takes_images and not card.input.dtype.startswith("float"):
        raise _wrong(path, "input.dtype", "a float, as takes_images is true (pixels are 0..1)", card.input.dtype)


def _wrong(path: Path, key: str, expected: str, found: Any) -> ModelError:
    return ModelError(f"{path}: {key}: expected {expected}; found {_short(json.dumps(found, ensure_ascii=False))}")


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "..."


def _kind(value: Any) -> str:
    return {list: "a list", str: "a string", type(None): "null"}.get(type(value), f"{value!r}")
