"""The pieces of the conformance kit: pictures, answers, messages, and the sender against real sockets."""

import pathlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import shared_models
from servelab.conformance import pictures
from servelab.conformance.answers import difference
from servelab.conformance.case import message_problem
from servelab.conformance.wire import Closed, Connection, HalfClose, Pause, Reply, Silent

MNIST = shared_models.load("mnist")
DIGIT = pictures.Digit.of(MNIST)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("name", pictures.readable(DIGIT))
def test_a_readable_picture_shows_the_digit(name: str) -> None:
    answer = MNIST.predict(MNIST.preprocess(pictures.readable(DIGIT)[name])[np.newaxis])
    assert answer.argmax() == DIGIT.label


@pytest.mark.parametrize("name", pictures.unreadable(DIGIT))
def test_an_unreadable_picture_shows_none(name: str) -> None:
    with pytest.raises(shared_models.InvalidInput):
        MNIST.preprocess(pictures.unreadable(DIGIT)[name])


def test_the_digit_on_its_side_is_another() -> None:
    turned = np.rot90(DIGIT.pixels).astype(np.float32)[np.newaxis] / 255
    assert MNIST.predict(turned).argmax() != DIGIT.label


def test_the_bomb_is_small_and_valid(tmp_path: pathlib.Path) -> None:
    from PIL import Image

    assert len(pictures.bomb()) < 100_000
    (tmp_path / "bomb.png").write_bytes(pictures.bomb(800))
    with Image.open(tmp_path / "bomb.png") as image:
        assert image.size == (800, 800)
        assert not np.asarray(image).any()


ROWS = np.array([[0.9, 0.1], [0.4, 0.6]], np.float32)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ROWS, ""),
        (ROWS + np.float32(5e-6), ""),
        (ROWS + np.array([[0], [1e-3]], np.float32), "0.001 (allowed 1e-05) at index 1"),
        (np.array([[0.9, 0.1], [np.nan, 0.6]]), "inf (allowed 1e-05) at index 1"),
        (ROWS[:1], "expected an answer of shape (2, 2); found shape (1, 2)"),
        (ROWS[0], "found shape (2,)"),
    ],
)
def test_difference_names_the_largest_and_its_row(answer: NDArray[Any], said: str) -> None:
    assert said in difference(answer, ROWS)
    assert bool(said) == bool(difference(answer, ROWS))


def test_difference_of_labels() -> None:
    near = np.array([[0.500001, 0.5]])
    assert "another label at index 0" in difference(near[:, ::-1], near)
    assert difference(np.array([3]), np.array([3])) == ""
    assert "expected label [3]" in difference(np.array([5]), np.array([3]))


def test_of_several_expected_answers_any_one_will_do_but_for_the_whole_batch() -> None:
    other = ROWS[:, ::-1]
    expected = np.stack([ROWS, other])
    assert difference(ROWS, expected) == difference(other, expected) == ""
    assert "the answer of no version" in difference(np.stack([ROWS[0], other[1]]), expected)
    assert "found shape (1, 2)" in difference(ROWS[:1], expected)


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("application/json", b'{"error": "expected 4 numbers; found 5"}', ""),
        ("text/plain", b"expected 4 numbers", ""),
        ("text/html", b"expected 4 numbers", "not HTML"),
        ("text/plain", b"<!DOCTYPE html><p>expected 4 numbers", "not HTML"),
        ("application/json", b'{"error": "Traceback (most recent call last):\\n ..."}', "traceback"),
        ("text/plain", b'ValueError in File "server.py", line 3', "traceback"),
        ("application/json", b"expected 4 numbers", "expected JSON"),
        ("application/json", b'{"error": ""}', "not empty"),
        ("application/json", b"", "expected JSON"),
        ("text/plain", b" \n", "not empty"),
        ("application/json", b'{"error": "Bad Request"}', "says what was expected"),
    ],
)
def test_what_is_wrong_with_a_message(kind: str, body: bytes, said: str) -> None:
    problem = message_problem(Reply(400, {"content-type": kind}, body, kept=True))
    assert said in problem
    assert bool(said) == bool(problem)


@contextmanager
def listening(serve: Callable[[socket.socket], object]) -> Iterator[tuple[str, int]]:
    """A server of one connection, handled by a function in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with listener.accept()[0] as connection:
                serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()
        thread.join()


def test_steps_arrive_in_order_and_apart() -> None:
    arrived: list[tuple[float, bytes]] = []

    def serve(connection: socket.socket) -> None:
        while data := connection.recv(1 << 16):
            arrived.append((time.monotonic(), data))
        connection.sendall(OK)

    with listening(serve) as address, Connection(address) as connection:
        reply = connection.exchange(b"one", Pause(0.3), b"two", HalfClose())
    assert [data for _, data in arrived] == [b"one", b"two"]
    assert arrived[1][0] - arrived[0][0] > 0.2
    assert (reply.status, reply.content_type, reply.body) == (200, "text/plain", b"ok")


def test_an_answer_before_the_whole_body_was_read_is_seen() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(10)
        connection.sendall(OK.replace(b"200 OK", b"413 Too Large"))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 20):
            pass

    with listening(serve) as address, Connection(address) as connection:
        reply = connection.exchange(bytes(64 << 20))
        connection.close()
    assert reply.status == 413
    assert not reply.kept


def test_answers_on_one_connection_are_kept_apart() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(10)
        connection.sendall(OK + OK.replace(b"200", b"400"))
        connection.recv(10)

    with listening(serve) as address, Connection(address) as connection:
        first = connection.exchange(b"first")
        second = connection.exchange(b"second")
    assert (first.status, first.kept, second.status) == (200, True, 400)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", "no whole answer"),
        (OK[:-1], "IncompleteRead"),
        (b"nonsense\r\n\r\n", "BadStatusLine"),
    ],
)
def test_a_broken_off_answer_is_none(answer: bytes, error: str) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(10)
        connection.sendall(answer)

    with listening(serve) as address, Connection(address) as connection, pytest.raises(Closed, match=error):
        connection.exchange(b"request")


def test_silence_ends_at_the_deadline() -> None:
    with (
        listening(lambda connection: connection.recv(10) and connection.recv(10)) as address,
        Connection(address, timeout=0.3) as connection,
    ):
        began = time.monotonic()
        with pytest.raises(Silent, match=r"within 0\.3 s"):
            connection.exchange(b"request")
        assert time.monotonic() - began < 5


def test_a_trickle_does_not_move_the_deadline() -> None:
    def serve(connection: socket.socket) -> None:
        for byte in OK:
            time.sleep(0.05)
            try:
                connection.send(bytes([byte]))
            except OSError:
                return

    with (
        listening(serve) as address,
        Connection(address, timeout=0.3) as connection,
        pytest.raises(Silent),
    ):
        connection.exchange(b"request")


def test_a_server_that_does_not_read_is_silent() -> None:
    hold = threading.Event()
    with listening(lambda _: hold.wait(20)) as address, Connection(address, timeout=0.5) as connection:
        with pytest.raises(Silent, match="stopped reading"):
            connection.send(bytes(256 << 20))
        hold.set()


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    with pytest.raises(Closed, match="no connection"):
        Connection(address)
