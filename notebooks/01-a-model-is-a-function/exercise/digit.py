"""Your function: a grey picture in, a digit out."""

import numpy as np
from numpy.typing import NDArray

import shared_models

model = shared_models.load("mnist")


def predict(image: NDArray[np.uint8]) -> int:
    """The digit, 0 to 9, in a grey picture of whole numbers, 0 (black) to 255 (white).

    The picture has 28x28 or 56x56 pixels. It is white on black, as the model knows it, or black on white.
    """
    # solution: begin
    if image.shape == (56, 56):
        image = image.reshape(28, 2, 28, 2).mean(axis=(1, 3))  # each square of four pixels becomes their mean
    border = np.concatenate((image[0], image[-1], image[:, 0], image[:, -1]))
    if np.median(border) > 127:  # light paper
        image = 255 - image
    # solution: end
    batch = image[None] / 255
    return int(model.predict(batch).argmax())
