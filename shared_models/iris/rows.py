"""The rows of iris as files: ``python -m shared_models.iris.rows FOLDER`` writes train.csv and test.csv.

R. A. Fisher: The use of multiple measurements in taxonomic problems (1936), as bundled with scikit-learn. The split is
stratified and always the same, so that a model is judged by rows that no training has seen. Reading needs numpy alone.
"""

import csv
import sys
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared_models.errors import ModelError

FEATURES: Final = ("sepal_length", "sepal_width", "petal_length", "petal_width")
LABEL: Final = "kind"
TRAIN, TEST = "train.csv", "test.csv"
TRAIN_ROWS, TEST_ROWS = 120, 30
SEED = 20


def write(folder: Path) -> None:
    """Both files; needs scikit-learn."""
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split

    iris = load_iris()
    parts = train_test_split(np.arange(len(iris.data)), test_size=TEST_ROWS, stratify=iris.target, random_state=SEED)
    folder.mkdir(parents=True, exist_ok=True)
    for name, picks in zip((TRAIN, TEST), parts, strict=True):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow((*FEATURES, LABEL))
            lines.writerows((*iris.data[i].tolist(), str(iris.target_names[iris.target[i]])) for i in picks)


def read(file: Path) -> tuple[NDArray[np.float32], list[str]]:
    """Lengths in centimetres, (N, 4), and the kind of each, (N,); ModelError names file and line."""
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            lines = list(csv.reader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ModelError(
            f"expected the rows of iris in {file}; {error}. Type: servelab step fetch --model iris"
        ) from None
    if len(lines) < 2 or lines[0] != [*FEATURES, LABEL]:
        raise ModelError(f"{file}: expected the columns {', '.join((*FEATURES, LABEL))} and rows below them")
    numbers = []
    for number, line in enumerate(lines[1:], 2):
        try:
            numbers.append([float(value) for value in line[: len(FEATURES)]])
            if len(line) != len(FEATURES) + 1:
                raise ValueError(f"{len(line)} values")
        except ValueError as error:
            raise ModelError(f"{file}, line {number}: expected four numbers and a kind; found {error}") from None
    return np.array(numbers, np.float32), [line[-1] for line in lines[1:]]


if __name__ == "__main__":
    write(Path(sys.argv[1]))
