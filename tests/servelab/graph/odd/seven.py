"""A router that names a child that does not exist."""


class Seven:
    """Answers 7, however many children there are."""

    def route(self, features: object, features_names: object = None) -> int:  # noqa: ARG002 - Seldon's
        """The number of no child."""
        return 7
