"""Train iris: logistic regression on the four lengths, in centimetres, as they are, in two versions.

Version 2 looks at the petals alone and yet takes all four: a caller, or a router before both, sends the same rows.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shared_models import artifact
from shared_models.card import Tensor
from shared_models.iris import rows as files

SEED = 20
FOLDS = 5
FEATURES = files.FEATURES
INPUT = Tensor("features", (None, 4), "float32")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What distinguishes a version: the columns that it looks at, scikit-learn's C, and the words of its card."""

    version: str
    columns: tuple[int, ...]
    c: float
    summary: str
    how: str

    def regression(self) -> Any:
        """The regression, not yet fitted."""
        return _regression(self.c)


RECIPES = (
    Recipe(
        "1",
        (0, 1, 2, 3),
        1.0,
        "Kind of iris from the lengths and widths of sepal and petal in centimetres",
        "LogisticRegression(C=1, lbfgs) on all 150 rows, no scaling",
    ),
    Recipe(
        "2",
        (2, 3),
        0.1,
        "Kind of iris from length and width of the petal in centimetres; takes the sepal's too, and ignores them",
        "LogisticRegression(C=0.1, lbfgs) on the petals of all 150 rows, no scaling; the sepals' coefficients are 0",
    ),
)


def cross_validated(recipe: Recipe = RECIPES[0]) -> float:
    """Mean accuracy over five stratified folds of the 150 rows, shuffled by `SEED`."""
    from sklearn.datasets import load_iris
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    rows, classes = load_iris(return_X_y=True)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    return float(cross_val_score(recipe.regression(), rows[:, recipe.columns], classes, cv=folds).mean())


def train(root: Path) -> dict[str, float]:
    """Write both versions below ``root``; their cross-validated accuracies by version."""
    return {recipe.version: _train(recipe, root / "iris") for recipe in RECIPES}


def _train(recipe: Recipe, folder: Path) -> float:
    from sklearn.datasets import load_iris

    iris = load_iris()
    rows = iris.data.astype(np.float32)
    seen = rows[:, recipe.columns]
    regression = recipe.regression().fit(seen, iris.target)
    labels = tuple(map(str, iris.target_names))
    output = Tensor("probabilities", (None, len(labels)), "float32")
    coefficients: Any = np.zeros((len(labels), len(FEATURES)))
    coefficients[:, recipe.columns] = regression.coef_
    accuracy = cross_validated(recipe)
    card = {
        "name": "iris",
        "version": recipe.version,
        "summary": recipe.summary,
        "input": INPUT,
        "output": output,
        "labels": labels,
        "features": FEATURES,
        "data": {
            "source": "Iris (R. A. Fisher, 1936; UCI, 1988), 150 rows, as bundled with scikit-learn",
            "licence": "CC BY 4.0",
        },
        "accuracy": {"value": round(accuracy, 4), "n": len(rows), "how": f"{FOLDS}-fold cross-validation"},
        "training": {"how": recipe.how, "seed": SEED},
        "libraries": artifact.libraries("scikit-learn", "numpy", "onnx"),
        "parameters": {
            "coefficients": [[round(float(w), 6) for w in row] for row in coefficients],
            "intercepts": [round(float(b), 6) for b in regression.intercept_],
        },
    }
    graph = artifact.dense_graph(INPUT, output, [(coefficients.T, regression.intercept_)])
    answers = regression.predict_proba(seen).astype(np.float32)
    artifact.Trained(card, graph, rows, answers).write(folder / recipe.version)
    return accuracy


def experiment(source: Path, folder: Path, label_noise: float = 0.0, seed: int | None = None) -> float:
    """Train version 1 anew from train.csv in ``source`` into ``folder``; accuracy on the rows of its test.csv.

    ``label_noise``: the share of training labels that chance replaces.
    """
    seed = SEED if seed is None else seed
    rows, kinds = files.read(source / files.TRAIN)
    test, expected = files.read(source / files.TEST)
    regression = _regression().fit(rows, artifact.noisy(np.array(kinds), label_noise, seed))
    labels = tuple(map(str, regression.classes_))
    output = Tensor("probabilities", (None, len(labels)), "float32")
    accuracy = float((regression.predict(test) == expected).mean())
    card = {
        "name": "iris",
        "version": "1",
        "summary": "Kind of iris from the lengths and widths of sepal and petal in centimetres",
        "input": INPUT,
        "output": output,
        "labels": labels,
        "features": FEATURES,
        "accuracy": {"value": round(accuracy, 4), "n": len(test), "how": "the test rows"},
        "training": {
            "how": f"LogisticRegression(C=1, lbfgs) on {len(rows)} training rows, no scaling",
            "seed": seed,
            "label_noise": label_noise,
        },
        "libraries": artifact.libraries("scikit-learn", "numpy", "onnx"),
    }
    graph = artifact.dense_graph(INPUT, output, [(regression.coef_.T, regression.intercept_)])
    answers = regression.predict_proba(test).astype(np.float32)
    artifact.Trained(card, graph, test, answers).write(folder)
    return accuracy


def _regression(c: float = 1.0) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=c, max_iter=1000)
