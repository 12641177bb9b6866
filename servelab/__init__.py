"""Serve one model in many ways behind one client: ``with servelab.serve("flask", model="iris") as server: ...``."""

from servelab.client import Client, connect
from servelab.errors import ServelabError
from servelab.server import Server
from servelab.start import serve

__all__ = ["Client", "ServelabError", "Server", "connect", "serve"]
