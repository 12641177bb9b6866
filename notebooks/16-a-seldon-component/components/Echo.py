from seldon_core.user_model import SeldonComponent


class Echo(SeldonComponent):
    """Says what the wrapper handed to it."""

    def predict(self, X, features_names=None):
        return f"{type(X).__name__} of shape {X.shape}, dtype {X.dtype}, names {list(features_names)}"
