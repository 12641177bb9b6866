"""The models as functions: ``load("mnist").predict(batch)`` gives probabilities.

Importing this package loads numpy alone; onnxruntime loads with the first model, Pillow with the first image.
"""

from shared_models.card import Card, Tensor
from shared_models.errors import InvalidInput, ModelError
from shared_models.model import Golden, Model, available, load, load_card
from shared_models.preprocessor import Preprocessor

__all__ = [
    "Card",
    "Golden",
    "InvalidInput",
    "Model",
    "ModelError",
    "Preprocessor",
    "Tensor",
    "available",
    "load",
    "load_card",
]
