"""What a wire dialect is: a batch becomes a request, an answer's bytes become an array. No sockets here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol as Seam

import numpy as np
import orjson
from numpy.typing import NDArray

from shared_models import Model

JSON = (("Content-Type", "application/json"),)


class DecodeError(ValueError):
    """An answer is not what the dialect says; the message says what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request without its address: the typed client and the load engine both send ``to_bytes``."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def to_bytes(self, host: str) -> bytes:
        """The whole HTTP/1.1 message (RFC 9112), kept alive; ``host`` is the Host header, ``name:port``."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body


class Protocol(Seam):
    """A dialect. The modules of this package satisfy it by having these two functions."""

    def encode(self, batch: NDArray[Any], model: Model) -> Request:
        """The request that asks for the predictions of ``batch``, shape (N, *input shape)."""

    def decode(self, headers: Mapping[str, str], body: bytes) -> NDArray[Any]:
        """The answer to that request, headers with lower-case names; DecodeError when it is another thing.

        Probabilities, shape (N, classes); the seeds' own dialects answer labels instead, shape (N,).
        """


def to_json(value: object) -> bytes:
    """JSON by orjson; numpy arrays as nested lists, float32 in its shortest form that reads back the same."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def from_json(body: bytes, key: str) -> Any:
    """The value under ``key`` of a JSON object; DecodeError when the body is another thing."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise DecodeError(f"expected a JSON object with the key {key!r}; found {excerpt(body)} ({error})") from None
    if not isinstance(value, dict) or key not in value:
        raise DecodeError(f"expected a JSON object with the key {key!r}; found {excerpt(body)}")
    return value[key]


def to_array(values: object, expected: str, dtype: type[np.generic] = np.float32) -> NDArray[Any]:
    """Nested lists as an array; DecodeError when they are ragged or not numbers."""
    try:
        array = np.asarray(values)
    except ValueError:
        raise DecodeError(f"expected {expected}; found ragged lists") from None
    if array.dtype.kind not in "fiu":
        raise DecodeError(f"expected {expected}; found {excerpt(repr(values).encode())}")
    if array.dtype.kind == "f" and np.dtype(dtype).kind in "iu":
        # Beyond 2**63, whole numbers among smaller ones become floats, which do not hold their last digits.
        try:
            return np.asarray(values, dtype)
        except (OverflowError, ValueError) as error:
            raise DecodeError(f"expected {expected} of {np.dtype(dtype)}; found {error}") from None
    return array.astype(dtype)


def excerpt(data: bytes, size: int = 200) -> str:
    """The start of some bytes as text that fits into an error message."""
    text = data[:size].decode("utf-8", "replace").strip()
    return repr(text) + (f" and {len(data) - size} bytes more" if len(data) > size else "")
