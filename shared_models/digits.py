"""Digits that anyone may have: scikit-learn's bundled ones resampled MNIST's way, and drawn ones.

scikit-learn's are 1,797 test digits of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, UCI, 1998;
CC BY 4.0), 8x8 pixels of 0..16. They are what golden inputs, benchmarks and tests send, so that no MNIST image has to
be in the repository.
"""

import functools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_models.image import fit

if TYPE_CHECKING:
    from PIL.Image import Image

SOURCE = "Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, UCI, 1998), as bundled with scikit-learn"
LICENCE = "CC BY 4.0"


@functools.cache
def resampled() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All 1,797 digits, (1797, 28, 28) white on black, and their labels, (1797,)."""
    from PIL import Image
    from sklearn.datasets import load_digits

    counts, labels = load_digits(return_X_y=True)
    bitmaps = (_bitmap(Image.fromarray(digit)) for digit in (counts * 15).astype(np.uint8).reshape(-1, 8, 8))
    return np.stack([fit(bitmap) for bitmap in bitmaps]), labels.astype(np.int64)


def _bitmap(counts: "Image") -> "Image":
    """Near the 32x32 bilevel bitmap of which each of the 8x8 pixels counts 4x4, within a border of paper.

    MNIST, too, is made from bilevel bitmaps: its greys come from the scaling alone.
    """
    from PIL import Image, ImageOps

    large = counts.resize((32, 32), Image.Resampling.BICUBIC)
    return ImageOps.expand(large.point([255 * (value >= 120) for value in range(256)]), border=1)


def sample(per_class: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The first ``per_class`` resampled digits of each class, 0 to 9 in turn, and their labels."""
    images, labels = resampled()
    chosen = np.array([np.flatnonzero(labels == digit)[i] for i in range(per_class) for digit in range(10)])
    return images[chosen], labels[chosen]
