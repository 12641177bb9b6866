"""Every container image of a strategy is built and passes the same conformance kit as the strategy itself."""

import contextlib
import time
from collections.abc import Iterator

import docker
import psutil
import pytest
from docker.errors import NotFound

import servelab
from servelab import conformance, container
from servelab.errors import EnvironmentFailed
from servelab.strategy import discover, load

PAIRS = [(s.name, model) for s in discover().values() if "Dockerfile" in s.required_files for model in s.models]


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    try:
        client = container.engine()
    except EnvironmentFailed:
        pytest.skip("no container engine answers; make doctor says how to get one")
    with contextlib.closing(client):
        yield client


@pytest.mark.image
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(("name", "model"), PAIRS)
def test_the_image_conforms(name: str, model: str) -> None:
    report = conformance.run(name, model, image=True)
    assert report.ok, report.render()


@pytest.mark.image
@pytest.mark.timeout(900)
def test_no_container_outlives_its_server(engine: docker.DockerClient) -> None:
    with servelab.serve("flask", model="iris", image=True) as server:
        name = container.name(server.strategy, server.port)
        assert engine.containers.get(name).status == "running"
        keeper = [psutil.Process(pid) for pid in server.pids]
        psutil.Process(server._supervisor.pid).kill()  # as hard as it gets: only the container's keeper is left
        psutil.wait_procs(keeper, timeout=60)
    with pytest.raises(NotFound):
        engine.containers.get(name)


@pytest.mark.image
@pytest.mark.timeout(900)
def test_seldons_stock_command_ends_when_told_though_it_serves_grpc(engine: docker.DockerClient) -> None:
    """By itself it waits at its end, and for ever, for a gRPC process that nobody has told to stop."""
    who = load("seldon")
    container.build(who)
    started = engine.containers.run(container.tag(who), detach=True, cap_drop=["ALL"])
    try:
        deadline = time.monotonic() + 60
        while engine.containers.get(started.id).attrs["State"]["Health"]["Status"] != "healthy":
            assert time.monotonic() < deadline, started.logs().decode()
            time.sleep(0.2)
        code = "import grpc; grpc.channel_ready_future(grpc.insecure_channel('127.0.0.1:5000')).result(10)"
        assert started.exec_run(["python", "-c", code]).exit_code == 0
        started.stop(timeout=60)
        assert started.wait()["StatusCode"] == 0  # and not 137, of the SIGKILL after a minute
    finally:
        started.remove(force=True)
