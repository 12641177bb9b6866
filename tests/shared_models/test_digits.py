"""The digits that are no MNIST: resampled, drawn, and written as samples."""

import numpy as np
import pytest

from shared_models import Model, digits
from shared_models.mnist import drawn

from .conftest import ROOT

SAMPLES = ROOT / "shared_models" / "mnist" / "samples"


def test_golden_inputs_are_the_resampled_digits(mnist: Model) -> None:
    images, labels = digits.sample(5)
    assert labels.tolist() == list(range(10)) * 5
    assert np.array_equal(np.rint(mnist.golden().inputs * 255), images)


def test_resampled_digits_look_like_mnist(mnist: Model) -> None:
    images, labels = digits.resampled()
    assert images.shape == (1797, 28, 28)
    assert images.dtype == np.uint8
    ink = images > 0
    rows, columns = ink.any(axis=2).sum(axis=1), ink.any(axis=1).sum(axis=1)
    assert (np.maximum(rows, columns) >= 18).all()
    assert (np.maximum(rows, columns) <= 20).all()
    found = mnist.predict(images.astype(np.float32) / 255).argmax(axis=1)
    assert (found == labels).mean() > 0.8  # another hand, another country, and 8x8 pixels


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.iterdir()))
def test_samples_are_read_rightly(mnist: Model, name: str) -> None:
    answer = mnist.predict(mnist.preprocess((SAMPLES / name).read_bytes())[None])[0]
    assert mnist.labels[answer.argmax()] == name[0]
    assert answer.max() > 0.9
    assert (SAMPLES / name).stat().st_size < 10_000


def test_samples_are_what_the_code_draws(mnist: Model) -> None:
    """By pixels, as the bytes depend on the release of the compressor."""
    made = drawn.samples()
    assert "1.jpg" in made
    assert set(made) == {path.name for path in SAMPLES.iterdir()}
    for name, content in made.items():
        stored = mnist.preprocess((SAMPLES / name).read_bytes())
        assert np.abs(mnist.preprocess(content) - stored).max() < 0.1, name
