"""Train animals: one fitted preprocessor, and behind it two models, the second visibly weaker.

Both versions take the same preprocessed rows: one transformer can stand before an A/B test of them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_models import artifact
from shared_models.animals import data
from shared_models.animals.data import Shelter
from shared_models.card import Tensor
from shared_models.preprocessor import Category, Number, Preprocessor

SEED = 79
TRAINING, TEST, GOLDEN = 6_000, 4_000, 100  # animals
FIRST: list[str | float] = ["dog", 0, 4, 0.2, 0.79]  # the golden row that the lessons send
OUTPUT = Tensor("probabilities", (None, len(data.OUTCOMES)), "float32")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What distinguishes a version."""

    version: str
    how: str
    summary: str

    def classifier(self) -> Any:
        """The classifier, not yet fitted."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.neural_network import MLPClassifier

        if self.version == "1":
            return MLPClassifier((32,), batch_size=64, learning_rate_init=0.01, max_iter=60, random_state=SEED, tol=0)
        return LogisticRegression(max_iter=1000)


RECIPES = (
    Recipe(
        "1",
        "MLPClassifier: dense 32 relu, softmax; adam, learning rate 0.01, batches of 64, 60 epochs",
        "What becomes of a shelter's animal within a month, from its species and four numbers, preprocessed",
    ),
    Recipe(
        "2",
        "LogisticRegression(C=1, lbfgs): it cannot see that age is against a dog and for a parrot",
        "Weaker than version 1 on purpose, to compare versions with: a linear model",
    ),
)


def train(root: Path) -> dict[str, float]:
    """Write both versions below ``root``; accuracy on the 4,000 test animals by version."""
    training, test = data.draw(TRAINING, SEED), data.draw(TEST, SEED + 1)
    fitted = Fitted(training)
    return {recipe.version: _train(recipe, fitted, training, test, root / "animals") for recipe in RECIPES}


class Fitted:
    """scikit-learn's own OneHotEncoder and MinMaxScaler, fitted; `preprocessor` is the same as plain data."""

    def __init__(self, shelter: Shelter) -> None:
        from sklearn.preprocessing import MinMaxScaler, OneHotEncoder

        self._encoder = OneHotEncoder(sparse_output=False).fit(shelter.species[:, None])
        self._scaler = MinMaxScaler().fit(shelter.numbers)

    def transform(self, shelter: Shelter) -> NDArray[np.float32]:
        """(N, species + 4), as scikit-learn answers."""
        species = self._encoder.transform(shelter.species[:, None])
        return np.concatenate([species, self._scaler.transform(shelter.numbers)], axis=1).astype(np.float32)

    @property
    def preprocessor(self) -> Preprocessor:
        """What was fitted, for the card."""
        (species,) = self._encoder.categories_
        ends = zip(data.NUMBERS, self._scaler.data_min_.tolist(), self._scaler.data_max_.tolist(), strict=True)
        return Preprocessor((Category("species", tuple(species.tolist())), *(Number(*end) for end in ends)))


def golden() -> Shelter:
    """The animals of the golden file, drawn apart from those of training and test; the first is `FIRST`."""
    drawn = data.draw(GOLDEN, SEED + 2)
    drawn.species[0], drawn.numbers[0] = FIRST[0], FIRST[1:]
    return drawn


def _train(recipe: Recipe, fitted: Fitted, training: Shelter, test: Shelter, folder: Path) -> float:
    classifier = recipe.classifier().fit(fitted.transform(training).astype(float), training.outcomes)
    accuracy = float(classifier.score(fitted.transform(test).astype(float), test.outcomes))
    shown = golden()
    inputs = fitted.transform(shown)
    answers = classifier.predict_proba(inputs.astype(float)).astype(np.float32)
    card = _card(recipe, accuracy, fitted.preprocessor)
    graph = artifact.dense_graph(card["input"], OUTPUT, _layers(classifier))
    artifact.Trained(card, graph, inputs, answers, shown.rows()).write(folder / recipe.version)
    return accuracy


def _layers(classifier: Any) -> list[artifact.Layer]:
    if hasattr(classifier, "coefs_"):
        return list(zip(classifier.coefs_, classifier.intercepts_, strict=True))
    return [(classifier.coef_.T, classifier.intercept_)]


def _card(recipe: Recipe, accuracy: float, preprocessor: Preprocessor) -> dict[str, Any]:
    return {
        "name": "animals",
        "version": recipe.version,
        "summary": recipe.summary,
        "input": Tensor("features", (None, len(preprocessor.features)), "float32"),
        "output": OUTPUT,
        "labels": data.OUTCOMES,
        "features": preprocessor.features,
        "preprocessor": preprocessor,
        "data": {"source": data.SOURCE, "licence": data.LICENCE},
        "accuracy": {"value": round(accuracy, 4), "n": TEST, "how": "animals drawn apart from those of training"},
        "training": {"how": recipe.how, "animals": TRAINING, "seed": SEED},
        "libraries": artifact.libraries("scikit-learn", "numpy", "onnx"),
    }
