"""Wire dialects, one module each with ``encode`` and ``decode``; a module is the protocol (see base.Protocol)."""

from typing import Literal, get_args

from servelab.protocols import features, image, invocations, seldon, v1, v2, v2_binary
from servelab.protocols.base import DecodeError, Protocol, Request

__all__ = ["DecodeError", "Name", "Protocol", "Request", "get", "names"]

Name = Literal["v1", "v2", "v2-binary", "invocations", "seldon", "features", "image"]
_PROTOCOLS: dict[Name, Protocol] = {
    "v1": v1,
    "v2": v2,
    "v2-binary": v2_binary,
    "invocations": invocations,
    "seldon": seldon,
    "features": features,
    "image": image,
}


def names() -> tuple[Name, ...]:
    """The dialects that strategy.toml and ``connect`` may name."""
    return get_args(Name)


def get(name: str) -> Protocol:
    """The dialect of that name; an unknown one is a ValueError that lists the known ones."""
    for known, protocol in _PROTOCOLS.items():
        if name == known:
            return protocol
    raise ValueError(f"unknown protocol {name!r}; the protocols are: {', '.join(_PROTOCOLS)}")
