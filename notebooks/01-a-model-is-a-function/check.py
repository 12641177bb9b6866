"""predict(image) of notebooks/work/01/digit.py, on goldens of the model and on distorted copies of them."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import shared_models
from notebooks.course.check import Failure, Work, from_exception

Picture = NDArray[np.uint8]


def goldens() -> list[Picture]:
    """A picture of each digit, 0 to 9, about which the training framework's own answer is right."""
    golden = shared_models.load("mnist").golden()
    drawn = np.arange(len(golden.inputs)) % 10  # they are stored as 0 to 9 in turn
    right = golden.outputs.argmax(axis=1) == drawn
    first = [np.flatnonzero(right & (drawn == digit))[0] for digit in range(10)]
    return [np.rint(golden.inputs[place] * 255).astype(np.uint8) for place in first]


def inverted(picture: Picture) -> Picture:
    return 255 - picture


def doubled(picture: Picture) -> Picture:
    return np.asarray(Image.fromarray(picture).resize((56, 56), Image.Resampling.BICUBIC))


def both(picture: Picture) -> Picture:
    return inverted(doubled(picture))


def check_goldens(work: Work) -> Iterator[Failure]:
    """10 digits, 28x28, white on black"""
    for digit, picture in enumerate(goldens()):
        yield from judged(work, picture, digit, "as it is")


def check_inverted(work: Work) -> Iterator[Failure]:
    """2 digits, black on white"""
    yield from distorted(work, inverted, (2, 7), "black on white")


def check_doubled(work: Work) -> Iterator[Failure]:
    """2 digits, 56x56"""
    yield from distorted(work, doubled, (0, 7), "56x56")


def check_both(work: Work) -> Iterator[Failure]:
    """2 digits, 56x56 and black on white"""
    yield from distorted(work, both, (4, 6), "56x56, black on white")


def distorted(work: Work, how: Callable[[Picture], Picture], digits: tuple[int, ...], what: str) -> Iterator[Failure]:
    pictures = goldens()
    for digit in digits:
        yield from judged(work, how(pictures[digit]), digit, what)


def judged(work: Work, picture: Picture, digit: int, what: str) -> Iterator[Failure]:
    """What is wrong with the answer to one picture; a picture that ends in an exception does not hide the next."""
    module, kept = work.module("digit", "predict"), picture.copy()
    try:
        found = module.predict(picture)
    except Exception as error:
        yield Failure(f"a {digit}, {what}: expected {digit}; found {type(error).__name__}: {error}",
                      from_exception(error, work).look)  # fmt: skip
        return
    if isinstance(found, bool) or not isinstance(found, int | np.integer):
        yield Failure(f"a {digit}, {what}: expected {digit}, a whole number; found {found!r}",
                      "what predict returns: int(...) of the place of the largest probability")  # fmt: skip
    elif found != digit:
        yield Failure(f"a {digit}, {what}: expected {digit}; found {found}",
                      f"what the model is given: its edge should be 0, its shape (1, 28, 28); this picture's edge is "
                      f"{int(np.median(picture[0]))}, its shape {picture.shape}")  # fmt: skip
    if not np.array_equal(picture, kept):
        yield Failure(f"a {digit}, {what}: expected the caller's picture as it was; predict has changed it",
                      "work on a copy: image = 255 - image makes one, image *= ... does not")  # fmt: skip
