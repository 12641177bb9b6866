import pytest

from bench.errors import BenchError
from bench.load.ceiling import ceiling
from bench.resources import Placement
from tests.bench.lab import REQUEST

ANYWHERE = Placement(None, None)


def test_the_ceiling_is_a_rate_far_above_any_model_server() -> None:
    assert ceiling(REQUEST, b"[0.5]", connections=8, seconds=0.5, placement=ANYWHERE) > 1_000


def test_a_request_that_the_null_server_does_not_understand_is_no_ceiling() -> None:
    chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    with pytest.raises(BenchError, match=r"null server .*status.*expected HTTP/1.1 with a Content-Length, found"):
        ceiling(chunked, b"", connections=1, seconds=0.1, placement=ANYWHERE)
