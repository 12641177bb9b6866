"""The one error that the bench shows to people."""


class BenchError(Exception):
    """Nothing was (or can be) measured; the message says what was expected, what was found and what to do next."""
