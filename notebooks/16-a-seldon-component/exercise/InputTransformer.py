"""Before the model: raw rows, such as ["dog", 0, 4, 0.2, 0.79], to the eight numbers that it takes."""

import numpy as np
from seldon_core.flask_utils import SeldonMicroserviceException  # solution
from seldon_core.user_model import SeldonComponent

import shared_models


class InputTransformer(SeldonComponent):
    def __init__(self, container_name, run_name=""):
        super().__init__()
        species, *numbers = shared_models.load_card(container_name, run_name).preprocessor.columns
        self.categories = np.array(species.categories)  # the words of the first column, in the order of one-hot
        self.minima = np.array([column.minimum for column in numbers])  # of the others, as seen in training
        self.maxima = np.array([column.maximum for column in numbers])

    # starter: def transform(self, X):
    # starter:     return X
    # solution: begin
    def transform_input(self, X, features_names=None):
        species, numbers = X[:, :1], X[:, 1:].astype(float)
        one_hot = (species == self.categories).astype(float)
        unknown = species[~one_hot.any(axis=1), 0]
        if len(unknown):
            raise SeldonMicroserviceException(f"expected one of {', '.join(self.categories)}; found {unknown[0]}")
        scaled = (numbers - self.minima) / (self.maxima - self.minima)
        return np.concatenate([one_hot, scaled], axis=1)

    # solution: end
