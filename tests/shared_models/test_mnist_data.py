"""Where the MNIST files come from: the named folder, the cache, the mirrors. The files here are small stand-ins."""

import gzip
import hashlib
import struct
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared_models import ModelError
from shared_models.mnist import data

NAMES = tuple(data.FILES)
CONTENT = {
    name: (
        struct.pack(">4I", 0x803, 2, 28, 28) + bytes(range(256)) * 6 + bytes(32)
        if "images" in name
        else struct.pack(">2I", 0x801, 2) + bytes([3, len(name)])
    )
    for name in NAMES
}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Small files, an empty cache, no named folder, and no mirror but those that a test starts."""
    monkeypatch.setattr(data, "FILES", {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()})
    monkeypatch.setattr(data, "MIRRORS", ())
    monkeypatch.delenv(data.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two plain and two compressed files."""
    path = tmp_path / "files"
    path.mkdir()
    for number, (name, content) in enumerate(CONTENT.items()):
        if number % 2:
            (path / name).write_bytes(content)
        else:
            (path / f"{name}.gz").write_bytes(gzip.compress(content))
    return path


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An HTTP server of a folder of compressed files, and the folder."""
    path = tmp_path / "mirror"
    path.mkdir()
    for name, content in CONTENT.items():
        (path / f"{name}.gz").write_bytes(gzip.compress(content))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(path))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", path
        server.shutdown()
        thread.join()


def test_the_named_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(data.VARIABLE, str(folder))
    assert data.present()
    mnist = data.load()
    assert mnist.train_images.shape == mnist.test_images.shape == (2, 28, 28)
    assert mnist.train_images.dtype == np.uint8
    assert mnist.train_images[0, 1, 0] == 28
    assert mnist.test_labels.tolist() == [3, len("t10k-labels-idx1-ubyte")]
    assert not data.cache().exists()


def test_a_changed_file_is_refused_with_both_hashes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(data.VARIABLE, str(folder))
    wrong = CONTENT[NAMES[1]][:-1] + b"\xff"
    (folder / NAMES[1]).write_bytes(wrong)
    with pytest.raises(ModelError) as refusal:
        data.load()
    for text in (NAMES[1], data.FILES[NAMES[1]], hashlib.sha256(wrong).hexdigest(), str(folder)):
        assert text in str(refusal.value)


def test_a_named_folder_without_the_files_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror: tuple[str, Path]
) -> None:
    """Nothing is downloaded behind the back of who named a folder."""
    monkeypatch.setattr(data, "MIRRORS", (mirror[0],))
    monkeypatch.setenv(data.VARIABLE, str(tmp_path / "nowhere"))
    assert not data.present()
    with pytest.raises(ModelError, match=rf"{NAMES[0]}; tried .*nowhere.*Set {data.VARIABLE} to a folder"):
        data.fetch(NAMES[0])


def test_a_broken_archive_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(data.VARIABLE, str(folder))
    path = folder / f"{NAMES[0]}.gz"
    whole = path.read_bytes()
    for broken in (b"no archive", whole[:-20], whole[:30] + b"\xff" * 30 + whole[60:], b""):
        path.write_bytes(broken)
        with pytest.raises(ModelError, match=NAMES[0]):
            data.fetch(NAMES[0])


def test_the_mirrors_fill_the_cache(monkeypatch: pytest.MonkeyPatch, mirror: tuple[str, Path]) -> None:
    monkeypatch.setattr(data, "MIRRORS", (mirror[0] + "absent/", mirror[0]))
    assert not data.present()
    first = data.load()
    assert data.present()
    assert sorted(path.name for path in data.cache().iterdir()) == sorted(f"{name}.gz" for name in NAMES)
    monkeypatch.setattr(data, "MIRRORS", ())
    assert np.array_equal(data.load().train_images, first.train_images)


def test_a_spoilt_cache_is_replaced(monkeypatch: pytest.MonkeyPatch, mirror: tuple[str, Path]) -> None:
    monkeypatch.setattr(data, "MIRRORS", (mirror[0],))
    data.cache().mkdir(parents=True)
    path = data.cache() / f"{NAMES[0]}.gz"
    path.write_bytes(gzip.compress(b"something else"))
    assert data.fetch(NAMES[0]) == CONTENT[NAMES[0]]
    assert gzip.decompress(path.read_bytes()) == CONTENT[NAMES[0]]


def test_a_lying_mirror_is_not_believed(monkeypatch: pytest.MonkeyPatch, mirror: tuple[str, Path]) -> None:
    url, path = mirror
    (path / f"{NAMES[0]}.gz").write_bytes(gzip.compress(b"something else"))
    monkeypatch.setattr(data, "MIRRORS", (url,))
    with pytest.raises(ModelError, match="should have SHA-256"):
        data.fetch(NAMES[0])
    assert not data.present()


def test_the_error_tells_what_was_tried_and_what_to_set(
    monkeypatch: pytest.MonkeyPatch, mirror: tuple[str, Path]
) -> None:
    monkeypatch.setattr(data, "MIRRORS", (mirror[0] + "one/", mirror[0] + "two/"))
    with pytest.raises(ModelError) as refusal:
        data.fetch(NAMES[2])
    message = str(refusal.value)
    for text in (str(data.cache()), "/one/", "/two/", "404", data.VARIABLE, *NAMES):
        assert text in message


def test_after_a_mirror_that_breaks_off_comes_the_next(
    monkeypatch: pytest.MonkeyPatch, mirror: tuple[str, Path]
) -> None:
    import socket

    def break_off() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nonly this")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        broken = threading.Thread(target=break_off)
        broken.start()
        monkeypatch.setattr(data, "MIRRORS", (f"http://127.0.0.1:{listener.getsockname()[1]}/", mirror[0]))
        assert data.fetch(NAMES[0]) == CONTENT[NAMES[0]]
        broken.join()


def test_a_mirror_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(data, "MIRRORS", (f"http://127.0.0.1:{silent.getsockname()[1]}/",))
        monkeypatch.setattr(data, "TIMEOUT", 0.2)
        with pytest.raises(ModelError, match="timed out"):
            data.fetch(NAMES[0])
