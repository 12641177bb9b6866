"""A Seldon component that tells which process ran which of its methods."""

import os

from seldon_core.user_model import SeldonComponent


class Told(SeldonComponent):
    def __init__(self):
        super().__init__()
        self.constructor = os.getpid()

    def load(self):
        self.loader = os.getpid()

    def predict(self, X, features_names=None):
        return [self.constructor, self.loader, os.getpid()]
