"""Sound manifests and their broken twins: what our validator says, beside it Seldon's schema and a real API server."""

import tomllib
from pathlib import Path

import pytest
import yaml

from servelab.graph.manifest import ManifestError, read
from servelab.paths import ROOT
from tests import cluster
from tests.servelab.graph import crd

FOLDER = Path(__file__).parent / "twins"
TWINS = sorted(FOLDER.glob("*.yaml"))
SOUND = sorted((FOLDER / "sound").glob("*.yaml")) + sorted(ROOT.glob("k8s/seldon/*.yaml"))


def said(twin: Path) -> str:
    """What a twin's second line says that our message says; its first says what is wrong."""
    wrong, says = twin.read_text("utf-8").splitlines()[:2]
    assert wrong.startswith("# wrong: ")
    assert says.startswith("# says: ")
    return says.removeprefix("# says: ")


def accepted_by(judge: str) -> set[str]:
    """The twins that the schema or the server is known to accept."""
    differences = tomllib.loads((FOLDER / "verdicts.toml").read_text("utf-8"))["difference"]
    assert all(difference["why"] for difference in differences)
    return {twin for difference in differences if judge in difference["accepted_by"] for twin in difference["twins"]}


@pytest.mark.parametrize("twin", TWINS, ids=lambda path: path.stem)
def test_a_twin_is_rejected_by_file_path_and_near_miss_and_for_nothing_else(twin: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        read(twin)
    assert str(caught.value).startswith(f"{twin}: ")
    assert said(twin) in str(caught.value)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("file", SOUND, ids=lambda path: path.stem)
def test_a_sound_manifest_is_accepted(file: Path) -> None:
    assert read(file)


def test_the_schema_accepts_the_sound_ones_and_of_the_twins_those_that_are_known() -> None:
    validators = crd.validators()

    def accepts(file: Path) -> bool:
        try:
            content = yaml.safe_load(file.read_text("utf-8"))
        except yaml.YAMLError:
            return False
        validator = validators.get(content["apiVersion"])
        return validator is not None and validator.is_valid(content)

    assert {file.stem for file in SOUND if not accepts(file)} == set()
    assert {twin.stem for twin in TWINS if accepts(twin)} == accepted_by("schema")


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_an_api_server_accepts_the_sound_ones_and_of_the_twins_those_that_are_known() -> None:
    with cluster.started(node=False) as kubernetes:
        kubernetes.kubectl("create", "namespace", "seldon")

        def accepts(*files: Path) -> bool:
            done = kubernetes.kubectl("apply", "--dry-run=server", *(f"--filename={file}" for file in files))
            assert done.stdout.count("created (server dry run)") == len(files) or done.stderr, done
            return done.returncode == 0

        assert accepts(*SOUND)
        assert {twin.stem for twin in TWINS if accepts(twin)} == accepted_by("server")
