"""Every strategy's container image is built and passes the same conformance kit as the strategy itself."""

import contextlib
from collections.abc import Iterator

import docker
import psutil
import pytest
from docker.errors import NotFound

import servelab
from servelab import conformance, container
from servelab.errors import EnvironmentFailed
from servelab.strategy import discover

PAIRS = [(s.name, model) for s in discover().values() for model in s.models]


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
