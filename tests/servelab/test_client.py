"""The common client: it says what went wrong, and it survives a server that closes an idle connection."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import servelab
from servelab.errors import RequestFailed
from shared_models import InvalidInput
from tests import folders

ROW = [[5.1, 3.5, 1.4, 0.2]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servelab.Server]:
    with servelab.serve(folders.make(tmp_path_factory.mktemp("strategies"))) as running:
        yield running


@pytest.fixture
def answering() -> Iterator[Callable[[list[bytes]], str]]:
    """A socket that gives each connection's first request one canned answer, byte for byte, and closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def start(answers: list[bytes]) -> str:
        def run() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                connection.recv(65536)
                connection.sendall(answer)
                connection.close()

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    listener.close()


def http(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_it_predicts_what_the_model_predicts(server: servelab.Server) -> None:
    golden = server.model.golden()
    assert np.allclose(server.predict(golden.inputs), golden.outputs, atol=1e-5)


def test_connect_needs_only_an_address(server: servelab.Server) -> None:
    with servelab.connect(server.url + "/", model="iris") as client:
        assert client.predict(ROW).shape == (1, 3)


def test_threads_share_a_client(server: servelab.Server) -> None:
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(int(server.predict(ROW).argmax()))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [0] * 20


def test_a_refusal_carries_status_answer_and_what_was_sent(server: servelab.Server) -> None:
    with (
        servelab.connect(server.url, model="mnist") as other,
        pytest.raises(RequestFailed, match="answered 400") as caught,
    ):
        other.predict(np.zeros((1, 28, 28)))
    assert caught.value.status == 400
    assert "expected" in caught.value.excerpt
    assert "/v1/models/mnist:predict" in caught.value.sent
    assert "instances" in caught.value.sent


@pytest.mark.parametrize("batch", [[[1.0, 2.0]], [["5.1", 1, 2, 3]], [[1, 2], [3]], [[1, 2, 3, 1e300]], {"a": 1}])
def test_what_the_model_could_not_answer_is_not_sent(server: servelab.Server, batch: Any) -> None:
    with pytest.raises(InvalidInput, match="iris expects numbers of shape"):
        server.predict(batch)


def test_a_wrong_answer_is_told_from_none(answering: Callable[[list[bytes]], str]) -> None:
    client = servelab.connect(answering([http(b'{"result": []}')]))
    with client, pytest.raises(RequestFailed, match=r"200, but expected a JSON object with the key 'predictions'"):
        client.predict(ROW)
    with pytest.raises(RequestFailed, match=r"gave no answer.*is the server running") as caught:
        servelab.connect(answering([b""])).predict(ROW)
    assert caught.value.status == 0


def test_an_idle_connection_that_the_server_closed_is_opened_again(answering: Callable[[list[bytes]], str]) -> None:
    right = http(b'{"predictions": [[1, 0, 0]]}')  # says keep-alive, and closes all the same
    with servelab.connect(answering([right, right])) as client:
        assert client.predict(ROW).tolist() == client.predict(ROW).tolist() == [[1, 0, 0]]


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match=r"expected a URL such as http://127.0.0.1:8001; found 'localhost'"):
        servelab.connect("localhost")
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(RequestFailed, match="gave no answer"):
        servelab.connect(f"http://127.0.0.1:{port}").predict(ROW)


def test_a_stalled_answer_ends_by_timeout(tmp_path: Path) -> None:
    with servelab.serve(folders.make(tmp_path, hook="def log(): pass")) as server:
        stalled = socket.create_server(("127.0.0.1", 0))
        client = servelab.Client(f"http://127.0.0.1:{stalled.getsockname()[1]}", "v1", server.model, timeout=0.3)
        with pytest.raises(RequestFailed, match="TimeoutError"):
            client.predict(ROW)
        stalled.close()
