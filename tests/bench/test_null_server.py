import itertools
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
from hypothesis import given, strategies as st

from bench.load.null_server import LONGEST_HEAD, Framing, message, running


def request(body: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"POST /predict HTTP/1.1", *lines, b"content-length: %d" % len(body), b"", body])


bodies = st.lists(st.binary(max_size=40) | st.just(b"\r\n\r\nPOST / HTTP/1.1\r\n\r\n"), max_size=6)


def cut(stream: bytes, places: Sequence[int]) -> list[bytes]:
    ends = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return [stream[start:end] for start, end in itertools.pairwise(ends)]


@given(bodies, st.lists(st.integers(0), max_size=30))
def test_requests_are_counted_when_they_are_complete_however_they_are_cut(
    bodies: list[bytes], places: list[int]
) -> None:
    """Split inside heads and bodies, several at once, bodies that look like heads."""
    requests = [request(body) for body in bodies]
    ends = list(itertools.accumulate(len(request) for request in requests))
    framing, arrived, complete = Framing({}), 0, 0
    for piece in cut(b"".join(requests), places):
        arrived += len(piece)
        complete += framing.feed(piece)
        assert complete == sum(end <= arrived for end in ends)


@given(bodies)
def test_requests_are_counted_byte_by_byte(bodies: list[bytes]) -> None:
    stream = b"".join(request(body, b"X-Other: 1") for body in bodies)
    framing = Framing({})
    assert sum(framing.feed(stream[i : i + 1]) for i in range(len(stream))) == len(bodies)


def test_a_request_without_a_body_is_complete_with_its_head() -> None:
    assert Framing({}).feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == 1


@pytest.mark.parametrize(
    "stream",
    [
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"x" * (LONGEST_HEAD + 1),
    ],
    ids=["chunks", "no number", "endless head"],
)
def test_what_cannot_be_framed_is_refused(stream: bytes) -> None:
    with pytest.raises(ValueError, match=r"expected|invalid literal"):
        Framing({}).feed(stream)


def exchange(connection: socket.socket, sent: bytes, size: int) -> bytes:
    connection.sendall(sent)
    found = b""
    while len(found) < size and (more := connection.recv(65_536)):
        found += more
    return found


def test_the_server_answers_each_request_with_its_body_and_ends_with_its_starter() -> None:
    answer = message(b"[0.5]" * 2_000)
    with running(b"[0.5]" * 2_000) as server:
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
                one = request(b"x" * 6_000)
                assert exchange(connection, one, len(answer)) == answer
                assert exchange(connection, one * 3, 3 * len(answer)) == answer * 3
                connection.sendall(one[:50])
                assert exchange(connection, one[50:], len(answer)) == answer
        with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
            refused = exchange(connection, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 1 << 30)
            assert refused.startswith(b"HTTP/1.1 400")
    assert not psutil.pid_exists(server.pid)


def test_the_server_ends_with_its_standard_input(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"x")
    command = [sys.executable, "-m", "bench.load.null_server", str(tmp_path / "body")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert int(process.stdout.readline()) > 0
        process.stdin.close()
        assert process.wait(30) == 1


@pytest.mark.parametrize("arguments", [[], ["no-such-file"]])
def test_a_server_without_a_body_says_what_it_needs(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "bench.load.null_server", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "error: " in ended.stderr
    assert "Traceback" not in ended.stderr
