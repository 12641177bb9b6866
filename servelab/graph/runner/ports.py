"""Ports that stay ours, also while nothing listens on them: a component that starts again finds its own free."""

import socket
import sys


class Port:
    """A free port of the loopback address, held until ``release``.

    A bound socket that does not listen refuses connections, keeps the system from giving the port to anyone who asks
    for any port, and does not stand in the way of a server that binds it with SO_REUSEADDR (Linux, inet_csk_get_port).
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, 0))
        self.number = int(self._socket.getsockname()[1])
        self.address = (host, self.number)
        if sys.platform != "linux":  # elsewhere such a socket is in the way
            self.release()

    def release(self) -> None:
        """Let anyone have it."""
        self._socket.close()
