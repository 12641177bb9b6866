"""Who may use the control API: this machine's own programs, and no page in its browser."""

import ipaddress
import urllib.parse

from aiohttp import web

from servelab.graph.runner.status import Refusal


def require_local(request: web.Request) -> None:
    """Raise Refusal unless a program of this machine asks, by one of the loopback's own names."""
    peer = request.transport and request.transport.get_extra_info("peername")
    if not peer or not is_loopback(peer[0]):
        raise Refusal(403, "Forbidden", "expected a program of this machine; the control API answers nobody else")
    if "Origin" in request.headers:
        raise Refusal(403, "Forbidden", "expected a program; found a page in a browser (the header Origin)")
    # A page may have its own name resolve to the loopback address; the header still says the page's name.
    host = _host(request)
    if host != "localhost" and not is_loopback(host):
        raise Refusal(403, "Forbidden", f"expected Host to be localhost or a loopback address; found {host!r}")


def _host(request: web.Request) -> str:
    try:
        return urllib.parse.urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
    except ValueError:  # a bracket that is not closed
        return ""


def is_loopback(host: str) -> bool:
    """Whether it is an address of the loopback interface, as a literal; names are not looked up."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
