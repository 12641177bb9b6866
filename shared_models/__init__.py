"""The models as functions: ``load("mnist").predict(batch)`` gives probabilities.

Importing this package loads numpy alone; onnxruntime loads with the first model, Pillow with the first image.
"""

from shared_models.card import Card, Tensor
from shared_models.errors import InvalidInput, ModelError
from shared_models.model import Golden, Model, available, load

__all__ = ["Card", "Golden", "InvalidInput", "Model", "ModelError", "Tensor", "available", "load"]
