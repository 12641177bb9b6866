"""Train iris: logistic regression on the four lengths, in centimetres, as they are."""

from pathlib import Path
from typing import Any

import numpy as np

from shared_models import artifact
from shared_models.card import Tensor

SEED = 20
FOLDS = 5
FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
INPUT = Tensor("features", (None, 4), "float32")


def cross_validated() -> float:
    """Mean accuracy over five stratified folds of the 150 rows, shuffled by `SEED`."""
    from sklearn.datasets import load_iris
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    rows, classes = load_iris(return_X_y=True)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    return float(cross_val_score(_regression(), rows, classes, cv=folds).mean())


def train(root: Path) -> dict[str, float]:
    """Write version 1 below ``root``; its cross-validated accuracy by version."""
    from sklearn.datasets import load_iris

    iris = load_iris()
    rows = iris.data.astype(np.float32)
    regression = _regression().fit(rows, iris.target)
    labels = tuple(map(str, iris.target_names))
    output = Tensor("probabilities", (None, len(labels)), "float32")
    accuracy = cross_validated()
    card = {
        "name": "iris",
        "version": "1",
        "summary": "Kind of iris from the lengths and widths of sepal and petal in centimetres",
        "input": INPUT,
        "output": output,
        "labels": labels,
        "features": FEATURES,
        "data": {
            "source": "Iris (R. A. Fisher, 1936; UCI, 1988), 150 rows, as bundled with scikit-learn",
            "licence": "CC BY 4.0",
        },
        "accuracy": {"value": round(accuracy, 4), "n": len(rows), "how": f"{FOLDS}-fold cross-validation"},
        "training": {"how": "LogisticRegression(C=1, lbfgs) on all 150 rows, no scaling", "seed": SEED},
        "libraries": artifact.libraries("scikit-learn", "numpy", "onnx"),
        "parameters": {
            "coefficients": [[round(float(w), 6) for w in row] for row in regression.coef_],
            "intercepts": [round(float(b), 6) for b in regression.intercept_],
        },
    }
    graph = artifact.dense_graph(INPUT, output, [(regression.coef_.T, regression.intercept_)])
    answers = regression.predict_proba(rows).astype(np.float32)
    artifact.Trained(card, graph, rows, answers).write(root / "iris" / "1")
    return {"1": accuracy}


def _regression() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)
