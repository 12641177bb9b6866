"""The contract of a strategy: every breach is named by file, key and what is allowed."""

from pathlib import Path

import pytest

from servelab import strategy as strategies
from servelab.errors import StrategyError
from servelab.paths import STRATEGIES
from tests import folders


def test_discovery_reads_the_folders() -> None:
    found = strategies.discover()
    assert set(found) == {path.name for path in STRATEGIES.iterdir() if path.is_dir()}
    assert {"flask", "fastapi"} <= set(found)


@pytest.mark.parametrize("name", strategies.names())
def test_each_folder_has_every_required_file(name: str) -> None:
    strategy = strategies.load(name)
    assert [file for file in strategy.required_files if not (strategy.folder / file).is_file()] == []


def test_ports_differ() -> None:
    ports = [strategy.port for strategy in strategies.discover().values()]
    assert len(ports) == len(set(ports))


def test_a_quickstart_is_a_variant_of_its_strategy() -> None:
    plain, full = strategies.load("flask:quickstart"), strategies.load("flask")
    assert plain.command == full.quickstart != full.command
    assert (plain.name, plain.requirements) == ("flask:quickstart", full.requirements)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'family = "web framework"',
            'family = "web framwork"',
            r"family must be one of 'web framework', .*mean 'web fr",
        ),
        ('status = "active"', "", "the key 'status' is missing; add it as one of 'active', 'legacy', 'archived'"),
        ('health = "/health"', 'heath = "/health"', "unknown key 'heath' .did you mean 'health'?"),
        ("tier = 0", 'tier = "0"', "tier must be one of 0, 1, 2; found '0'"),
        ("port = 8999", "port = 5000", "port = 5000 must be 1024 to 65535 and not 5000"),
        ("port = 8999", 'port = 8999\nversions = ["1"]', r"versions = \['1'\] must be two or more"),
        ("port = 8999", "port = true", "port must be a whole number; found True"),
        ('name = "plain"', 'name = "other"', "name = 'other' must be the folder's name, 'plain'"),
        ('python = ["3.11", "3.12"]', 'python = ["3.9"]', r"python\[0\] must be one of '3.11', '3.12'; found '3.9'"),
        (
            'protocol = "v1"',
            'protocol = "features"',
            "protocol must be one of 'v1', 'v2', 'v2-binary', 'invocations', 'seldon'; found 'features'",
        ),
        ('protocol = "v1"', 'protocol = "v9"', "protocol must be one of 'v1', 'v2'"),
        ('"{port}"', '"{prot}"', r"command: unknown placeholder \{prot\}"),
        ('"{port}"', '"{port"', r"command: .*write \{\{ and \}\}"),
        ("tier = 0", "tier = ", "expected a TOML file"),
        ("tier = 0", 'tier = 0\nalso = [{protocol = "image", rout = "/x"}]', r"unknown key 'also\[0\]\.rout'"),
    ],
)
def test_a_breach_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    folder = folders.make(tmp_path)
    text = (folder / "strategy.toml").read_text()
    assert old in text
    (folder / "strategy.toml").write_text(text.replace(old, new))
    with pytest.raises(StrategyError, match=message) as caught:
        strategies.load(folder)
    assert str(folder / "strategy.toml") in str(caught.value)


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(StrategyError, match=r"no strategy 'flaks' \(did you mean 'flask'\?\).*make new-strategy"):
        strategies.load("flaks")
    with pytest.raises(StrategyError, match="only variant is ':quickstart'"):
        strategies.load("flask:fast")
