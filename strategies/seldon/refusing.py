"""How a component says no: what a client did wrong is Seldon's own exception, which its wrapper answers with a 400."""

import contextlib
from collections.abc import Iterator

from seldon_core.flask_utils import SeldonMicroserviceException  # type: ignore[import-untyped]

from shared_models import InvalidInput

BAD_DATA, BAD_PARAMETER = "MICROSERVICE_BAD_DATA", "MICROSERVICE_BAD_PARAMETER"  # the wrapper's own reasons


class Refused(SeldonMicroserviceException):  # type: ignore[misc]
    """Seldon's exception with its message as text too, which is all that gRPC and a failed start show."""

    def __str__(self) -> str:
        return str(self.message)


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """A context, or decorator, in which InvalidInput becomes a 400 with its message and `BAD_DATA` as the reason."""
    try:
        yield
    except InvalidInput as error:
        raise Refused(str(error), reason=BAD_DATA) from None


def bad_parameter(name: str, expected: str, found: object) -> Refused:
    """What a constructor raises: the parameter ``name`` of the graph's node is none that it takes."""
    return Refused(f"parameter {name}: expected {expected}; found {found!r}", reason=BAD_PARAMETER)
