"""What can go wrong with a comparison."""

from servelab.errors import ServelabError


class BenchError(ServelabError):
    """The comparison cannot be made; the message says why, and what to do."""
