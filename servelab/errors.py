"""What can go wrong, as one family: every message says what was expected, what was found and what to type next."""


class ServelabError(Exception):
    """Base of every error that the toolkit raises on purpose; the commands print it without a traceback."""


class StrategyError(ServelabError):
    """A strategy folder breaks the contract; the message names the file, the key and the allowed values."""


class EnvironmentFailed(ServelabError):
    """A strategy's environment could not be built; the message names the strategy and what the installer said."""


class StartFailed(ServelabError):
    """A server did not come to the point of predicting; the message carries the last lines of its log."""


class AddressError(ServelabError, ValueError):
    """Something is no address to reach a server at, or to let one listen on."""


class RequestFailed(ServelabError):
    """A server did not answer a request with a prediction.

    ``status`` is the HTTP status (0: no answer came), ``excerpt`` the start of the answer, ``sent`` of the request.
    """

    def __init__(self, message: str, *, status: int = 0, excerpt: str = "", sent: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.excerpt = excerpt
        self.sent = sent


class ConformanceError(ServelabError):
    """A server answers otherwise than the model's goldens; the message names the strategy and the difference."""
