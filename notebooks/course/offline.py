"""Runs a program where this machine's loopback is the whole network, to prove that it needs no other.

unshare makes that place, and this module, run in it as a program, brings the loopback up and becomes the program.
"""

import fcntl
import functools
import os
import shutil
import socket
import struct
import subprocess
import sys

UNSHARE = ("unshare", "--map-root-user", "--net")  # a user namespace, so that it takes no privilege
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1  # linux/sockios.h, linux/if.h


@functools.cache
def permitted() -> bool:
    """Whether this system lets us make a network namespace."""
    if shutil.which(UNSHARE[0]) is None:
        return False
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0


def wrapped(command: list[str]) -> list[str]:
    """The command, run without a network where that is permitted, else as it is."""
    return [*UNSHARE, sys.executable, "-m", "notebooks.course.offline", *command] if permitted() else command


def main() -> None:
    """Bring the new namespace's loopback up, and become the program."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        flags = struct.unpack_from("16sh", fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16s24x", b"lo")))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the program that we were given, in this process's place


if __name__ == "__main__":
    main()
