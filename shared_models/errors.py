"""The two ways in which a model can say no, and how their messages show shapes and foreign errors."""

from collections.abc import Iterable


class InvalidInput(ValueError):
    """The batch or image cannot be answered; the message says what was expected and what was found."""


class ModelError(Exception):
    """No such model or version, a bad card, an artifact that is not what its card says, or missing training data."""


def shape_text(shape: Iterable[object]) -> str:
    """``(N, 28, 28)`` for (None, 28, 28)."""
    return "(" + ", ".join("N" if size is None else str(size) for size in shape) + ")"


def first_line(error: Exception) -> str:
    """The first line of a foreign error's message: one of ours is one line."""
    return str(error).partition("\n")[0] or type(error).__name__
