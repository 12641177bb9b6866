"""What the load engine can do at most: the same bytes, by as many connections, against a server that only answers."""

from contextlib import ExitStack

from bench.errors import BenchError
from bench.load import null_server
from bench.load.job import Job
from bench.load.launch import launch
from bench.resources import Placement, running_on

LEAD_SECONDS = 0.1


def ceiling(request: bytes, answer: bytes, connections: int, seconds: float, placement: Placement) -> float:
    """Requests/s of a closed loop against the null server; measured just before a run, since it is the machine's too.

    request: a whole one, head and body. answer: the body alone. The null server runs where the servers of the
    comparison do. Raises BenchError unless every request is answered.
    """
    with ExitStack() as stack:
        with running_on(placement.servers):
            server = stack.enter_context(null_server.running(answer))
        job = Job("127.0.0.1", server.port, seconds, lead=LEAD_SECONDS, connections=connections, cpu=placement.engine)
        records = launch(job, [request]).records
    if errors := records.errors():
        raise BenchError(
            f"the null server left requests unanswered ({errors}); "
            f"expected HTTP/1.1 with a Content-Length, found {request[:200]!r}"
        )
    return records.answered() / (records.counters.window_ns / 1e9)
