"""A model is a function: a batch goes in, one row of probabilities per item comes out."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared_models import card as cards
from shared_models.card import Card, Tensor
from shared_models.errors import InvalidInput, ModelError, first_line, shape_text
from shared_models.graph import GRAPH, open_graph

HERE = Path(__file__).parent
GOLDEN = "golden.json"
DEFAULT_VERSION = "1"

_BOOLEANS = frozenset((bool, np.bool_))
_TEXTS = frozenset((str, bytes, np.str_, np.bytes_))
_NESTED = frozenset((list, tuple))


@dataclass(frozen=True, slots=True)
class Golden:
    """Stored inputs with their expected outputs: (N, *row) in the model's input dtype, and (N, classes) float32.

    ``raw`` holds the N raw rows that the card's preprocessor makes the inputs of; empty without a preprocessor.
    """

    inputs: NDArray[Any]
    outputs: NDArray[np.float32]
    raw: tuple[tuple[str | float, ...], ...] = ()


class Model:
    """An ONNX graph run by onnxruntime on one thread, together with its card. Safe to call from many threads."""

    __slots__ = ("_dtype", "_names", "_refused", "_row", "_session", "card", "folder", "input", "output")

    card: Card
    folder: Path
    input: Tensor
    output: Tensor

    def __init__(self, folder: Path, card: Card, session: Any, refused: type[Exception]) -> None:
        self.folder, self.card, self._session, self._refused = folder, card, session, refused
        self.input, self.output = card.input, card.output
        self._names = [card.output.name]
        self._dtype = np.dtype(card.input.dtype)
        self._row = card.input.shape[1:]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The model in ``folder``: card read, hash compared, graph loaded and compared with the card."""
        card = cards.read(folder)
        session, refused = open_graph(folder, card)
        return cls(folder, card, session, refused)

    @property
    def name(self) -> str:
        """The name under which the model is served."""
        return self.card.name

    @property
    def version(self) -> str:
        """The version under which the model is served."""
        return self.card.version

    @property
    def labels(self) -> tuple[str, ...]:
        """One label per column of the output."""
        return self.card.labels

    @property
    def features(self) -> tuple[str, ...]:
        """One name per column of the input; empty when the columns have no names."""
        return self.card.features

    @property
    def takes_images(self) -> bool:
        """Whether `preprocess` makes an input row of an image."""
        return self.card.takes_images

    def __repr__(self) -> str:
        return f"<Model {self.name} version {self.version} in {self.folder}>"

    def predict(self, batch: ArrayLike) -> NDArray[np.float32]:
        """Probabilities, (N, classes), for ``batch``, (N, *input.shape[1:]): nested lists as they come, or an array.

        Raises `InvalidInput` for what is no batch of finite numbers of that shape: an empty batch, ragged rows,
        another width or depth, strings (numeric ones too), None, booleans, NaN, Infinity, numbers that the input's
        dtype cannot hold.
        """
        rows = self.rows(batch)
        try:
            (answer,) = self._session.run(self._names, {self.input.name: rows})
        except self._refused as error:  # such as an index outside an embedding table: only the graph knows
            raise InvalidInput(f"the graph of {self.name} refused the batch: {first_line(error)}") from None
        return answer if answer.dtype == np.float32 else answer.astype(np.float32)  # type: ignore[no-any-return]

    def preprocess(self, data: bytes) -> NDArray[np.float32]:
        """One input row, white on black and 0..1, for an image file: (28, 28), or that many values as the input has.

        Raises `InvalidInput` when the bytes are no image that can be read, or the model takes no images.
        """
        if not self.takes_images:
            columns = ", ".join(self.features) or f"rows of shape {shape_text(self._row)}"
            raise InvalidInput(f"{self.name} takes no images: expected {columns}, found an image")
        from shared_models.image import preprocess

        return preprocess(data).reshape(self._row)  # type: ignore[arg-type]

    def golden(self) -> Golden:
        """The stored inputs and the training framework's own answers to them.

        A brought model may come without outputs; then they are this model's own answers, and parity with them
        says that a server answers like the model in process, not that the export is right.
        """
        path = self.folder / GOLDEN
        if not path.exists():
            raise ModelError(f'{path} is missing: expected a few sample inputs, {{"inputs": [...]}}')
        stored = cards.read_json(path)
        if not isinstance(stored, dict) or not {"inputs"} <= set(stored) <= {"inputs", "outputs", "raw"}:
            raise ModelError(f'{path}: expected {{"inputs": [...], "outputs": [...]}} (outputs may be left out)')
        try:
            inputs = self.rows(stored["inputs"])
        except InvalidInput as error:
            raise ModelError(f"{path}: inputs: {error}") from None
        raw = self._raw(path, stored.get("raw", []), inputs)
        if "outputs" not in stored:
            return Golden(inputs, self.predict(inputs), raw)
        expected = (len(inputs), len(self.labels))
        try:
            outputs = np.asarray(stored["outputs"])
        except ValueError:  # ragged
            outputs = np.empty(0)
        if outputs.dtype.kind != "f" or outputs.shape != expected:
            raise ModelError(f"{path}: outputs: expected rows of probabilities, {shape_text(expected)} in all")
        return Golden(inputs, outputs.astype(np.float32), raw)

    def _raw(self, path: Path, rows: Any, inputs: NDArray[Any]) -> tuple[tuple[str | float, ...], ...]:
        """The raw rows of a golden file, which must be those of its inputs."""
        if not rows:
            return ()
        if self.card.preprocessor is None:
            raise ModelError(f"{path}: raw: expected none, as {cards.FILE} has no preprocessor; found {len(rows)} rows")
        try:
            made = self.card.preprocessor.transform(rows)
        except InvalidInput as error:
            raise ModelError(f"{path}: raw: {error}") from None
        if not np.array_equal(made, inputs):
            raise ModelError(f"{path}: raw: expected the rows that the preprocessor makes the inputs of; found others")
        return tuple(map(tuple, rows))

    def rows(self, batch: ArrayLike) -> NDArray[Any]:
        """``batch`` as the array that the graph takes, (N, *input.shape[1:]), or `InvalidInput` as for `predict`.

        Each check is one pass in C.
        """
        kinds = _kinds(batch)
        if not kinds.isdisjoint(_TEXTS):  # before numpy makes every value as wide as the longest of them
            raise self._invalid("strings")
        try:
            rows = np.asarray(batch)
        except (ValueError, TypeError, OverflowError) as error:  # ragged, too deep, or an integer of 400 digits
            raise self._invalid(f"rows that are no regular array ({first_line(error)})") from None
        if rows.dtype.kind not in "fiu":
            raise self._invalid(_not_numbers(rows))
        if rows.shape[:1] == (0,):
            raise self._invalid("an empty batch")
        if rows.shape[1:] != self._row and not self._fits(rows.shape):
            raise self._invalid(f"shape {shape_text(rows.shape)}")
        if not kinds.isdisjoint(_BOOLEANS):  # which numpy reads as 1 and 0 among numbers
            raise self._invalid("booleans among numbers")
        if rows.dtype != self._dtype:
            rows = self._cast(rows)
        if not np.isfinite(rows).all():
            raise self._invalid("NaN, Infinity or a number too large for it")
        return rows

    def _fits(self, shape: tuple[int, ...]) -> bool:
        """Whether a batch of ``shape`` is one where the card leaves sizes open."""
        pairs = zip(shape[1:], self._row, strict=False)
        return len(shape) == len(self._row) + 1 and all(size in (found, None) for found, size in pairs)

    def _cast(self, rows: NDArray[Any]) -> NDArray[Any]:
        with np.errstate(over="ignore", invalid="ignore"):  # what did not fit is found by value, here or by the caller
            cast = rows.astype(self._dtype)
        if self._dtype.kind == "i" and not (cast == rows).all():
            raise self._invalid("fractions or numbers outside its range")
        return cast

    def _invalid(self, found: str) -> InvalidInput:
        return InvalidInput(
            f"{self.name} expects numbers of shape {shape_text(('N', *self._row))} ({self.input.dtype}); found {found}"
        )


def load(model: str | os.PathLike[str], version: str | None = None) -> Model:
    """The model of that name (see `available`), or in that folder; without ``version`` (or an empty one) version "1".

    A folder holds model.onnx, card.json and golden.json (``inputs``, and ``outputs`` where they are known).
    Raises `ModelError` when there is no such model, or it is not what its card says.
    """
    return Model.open(_folder(model, version))


def load_card(model: str | os.PathLike[str], version: str | None = None) -> Card:
    """The card alone, for who needs what it says (labels, preprocessor) and not the graph; `ModelError` as `load`."""
    return cards.read(_folder(model, version))


def _folder(model: str | os.PathLike[str], version: str | None) -> Path:
    versions = available().get(str(model))
    if versions is not None:
        wanted = version or DEFAULT_VERSION
        if wanted not in versions:
            raise ModelError(f"{model} has no version {wanted!r}; there are {', '.join(versions)}")
        return HERE / str(model) / wanted
    folder = Path(model)
    if not str(model) or not folder.is_dir():
        names = ", ".join(available())
        raise ModelError(f"no model {str(model)!r}: expected one of {names}, or a folder with {GRAPH}, {cards.FILE}")
    if not (folder / cards.FILE).exists() and (versions_in := sorted(folder.glob(f"*/{cards.FILE}"))):
        raise ModelError(f"{folder} holds no {cards.FILE}; did you mean {versions_in[0].parent}?")
    if version and (card := cards.read(folder)).version != version:
        raise ModelError(f"{folder} holds version {card.version!r} of {card.name}, not {version!r}")
    return folder


def available() -> dict[str, tuple[str, ...]]:
    """The models of this package and their versions, in order: ``{"iris": ("1", "2"), ...}``."""
    found: dict[str, list[str]] = {}
    for card in sorted(HERE.glob(f"*/*/{cards.FILE}"), key=lambda path: (path.parts[-3], len(path.parts[-2]), path)):
        found.setdefault(card.parts[-3], []).append(card.parts[-2])
    return {name: tuple(versions) for name, versions in found.items()}


def _kinds(batch: Any) -> set[type]:
    """The types of all values in nested lists, a level at a time; none of an array, which says its own."""
    found: set[type] = set()
    level: Sequence[Any] = batch if isinstance(batch, (list, tuple)) else ()
    while level:
        kinds = set(map(type, level))
        found |= kinds
        if kinds.isdisjoint(_NESTED):
            break
        lists = level if kinds <= _NESTED else [value for value in level if type(value) in _NESTED]
        level = list(chain.from_iterable(lists))
    return found


def _not_numbers(rows: NDArray[Any]) -> str:
    kinds = {"b": "booleans", "U": "strings", "S": "bytes", "c": "complex numbers"}
    return kinds.get(rows.dtype.kind, "values that are no numbers (null, an object, or a number too large)")
