"""The MNIST files: from a folder that you name, else from the cache, else from the public mirrors; always checked.

Y. LeCun, C. Cortes, C. Burges: The MNIST database of handwritten digits. Four files in IDX format, plain or as .gz.
"""

import gzip
import hashlib
import http.client
import os
import tempfile
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared_models.errors import ModelError

SOURCE = "MNIST (Y. LeCun, C. Cortes, C. Burges), 60,000 training and 10,000 test images"
LICENCE = "CC BY-SA 3.0"
VARIABLE = "SERVELAB_MNIST_DIR"
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
TIMEOUT = 30  # seconds without a byte
FILES = {  # SHA-256 of the uncompressed bytes: compression differs between mirrors
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


@dataclass(frozen=True, slots=True)
class Mnist:
    """Images (N, 28, 28) uint8, white on black, and labels (N,) uint8: 60,000 to train, 10,000 to test."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]


def load(folder: Path | None = None) -> Mnist:
    """All four files; `ModelError` says what was tried and what to set when one cannot be had."""
    train_images, train_labels, test_images, test_labels = (_idx(fetch(name, folder)) for name in FILES)
    return Mnist(train_images, train_labels, test_images, test_labels)


def test_set(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The 10,000 test images, (10000, 28, 28), in a folder, and their labels, (10000,); `ModelError` without them."""
    images, labels = (_idx(fetch(name, folder)) for name in list(FILES)[2:])
    return images, labels


def present() -> bool:
    """Whether all four files are in the named folder or the cache, so that `load` needs no network."""
    folder = _named() or cache()
    return all((folder / name).exists() or (folder / f"{name}.gz").exists() for name in FILES)


def cache() -> Path:
    """Where downloads are kept: below XDG_CACHE_HOME, else ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "servelab" / "mnist"


def fetch(name: str, folder: Path | None = None) -> bytes:
    """The uncompressed bytes of one of `FILES`. A named folder is taken at its word: nothing else is tried then."""
    named = folder or _named()
    places: list[Path | str] = [named] if named else [cache(), *(f"{mirror}{name}.gz" for mirror in MIRRORS)]
    tried = []
    for place in places:
        try:
            content = _read(place, name) if isinstance(place, Path) else _download(place)
            _check(name, content)
        except (OSError, EOFError, http.client.HTTPException, zlib.error, ModelError) as error:
            tried.append(f"{place}: {error}")
            continue
        if isinstance(place, str):
            _keep(cache() / f"{name}.gz", content)
        return content
    raise ModelError(
        f"no usable MNIST file {name}; tried {'; '.join(tried)}. Set {VARIABLE} to a folder that holds the four files "
        f"({', '.join(FILES)}), plain or as .gz"
    )


def _named() -> Path | None:
    folder = os.environ.get(VARIABLE)
    return Path(folder).expanduser() if folder else None


def _read(folder: Path, name: str) -> bytes:
    plain = folder / name
    return plain.read_bytes() if plain.exists() else gzip.decompress((folder / f"{name}.gz").read_bytes())


def _download(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310  (the mirrors above)
        return gzip.decompress(answer.read())


def _check(name: str, content: bytes) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != FILES[name]:
        raise ModelError(f"uncompressed, {name} should have SHA-256 {FILES[name]}; found {found}")


def _keep(path: Path, content: bytes) -> None:
    """Into the cache, whole or not at all: another process may be reading."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(gzip.compress(content, mtime=0))
    Path(file.name).replace(path)


def _idx(content: bytes) -> NDArray[np.uint8]:
    """The array in an IDX file: two zero bytes, the type (8: uint8), the number of sizes, the sizes (>u4), the data."""
    sizes = np.frombuffer(content, ">u4", count=content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(sizes)).reshape(sizes)
