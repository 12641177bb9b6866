"""What runs a unit on this machine: from a container's image, or a prepackaged server's model, to a Python class."""

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import shared_models
from servelab.contract import nearest
from servelab.errors import ServelabError
from servelab.graph.manifest import Deployment, Parameter, Unit
from servelab.paths import STRATEGIES

COMPONENTS = STRATEGIES / "seldon"
# The image that Seldon's configmap predictor_servers names for it (helm-charts/seldon-core-operator 1.17.1).
PREPACKAGED = {"SKLEARN_SERVER": ("SKLearnServer", "seldonio/sklearnserver:1.17.1")}
# Implementations that are no prepackaged server: without a container, the orchestrator itself does what they do.
WITHOUT_PROGRAM = frozenset(
    {"", "UNKNOWN_IMPLEMENTATION", "RANDOM_ABTEST", "SIMPLE_MODEL", "SIMPLE_ROUTER", "AVERAGE_COMBINER"}
)


class ProgramError(ServelabError):
    """Nothing on this machine runs a unit; the message names the unit and the option that says what does."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What the user maps: an image to ``FILE.py:Class``, a modelUri to a folder with a card."""

    images: Mapping[str, str] = field(default_factory=dict)
    model_uris: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Program:
    """The class that runs a unit (MODEL_NAME), its constructor's arguments, its image, and a notice for the user."""

    model_name: str
    parameters: tuple[Parameter, ...]
    image: str
    notice: str = ""


def find(unit: Unit, sources: Sources) -> Program | None:
    """What runs the unit, or None where the orchestrator itself does; raises ProgramError."""
    if unit.implementation in WITHOUT_PROGRAM:
        return _of_image(unit, sources) if unit.image else None
    if unit.implementation not in PREPACKAGED:
        raise ProgramError(
            f"unit {unit.name!r}: no local server for {unit.implementation}; expected {', '.join(PREPACKAGED)}, "
            "or a container of your own: type MODEL and an image (--image IMAGE=FILE.py:Class)"
        )
    name, image = PREPACKAGED[unit.implementation]
    folder, notice = _model_folder(unit, sources)
    others = tuple(parameter for parameter in unit.parameters if parameter.name != "model_uri")
    return Program(name, (*others, Parameter("model_uri", str(folder), "STRING")), unit.image or image, notice)


def of_deployment(deployment: Deployment, sources: Sources) -> dict[tuple[str, str], Program]:
    """The programs of a deployment by predictor and unit; raises one ProgramError with all that is missing."""
    found, missing = {}, []
    for predictor in deployment.predictors:
        for unit in predictor.units():
            try:
                if program := find(unit, sources):
                    found[predictor.name, unit.name] = program
            except ProgramError as error:
                missing.append(str(error))
    if missing:
        raise ProgramError("\n".join(dict.fromkeys(missing)))
    return found


def _of_image(unit: Unit, sources: Sources) -> Program:
    name = unit.image.rpartition("/")[2].partition("@")[0].partition(":")[0]
    chosen = sources.images.get(unit.image) or sources.images.get(name)
    if chosen is None:
        classes = [path.stem for path in COMPONENTS.glob("*.py") if path.stem[0].isupper()]
        known = {_folded(each): each for each in classes}
        chosen = known.get(_folded(name))
        if chosen is None:
            close = nearest(name, map(_image_name, classes))
            raise ProgramError(
                f"unit {unit.name!r}: no program for image {unit.image!r}{close}; expected the name of one of "
                f"{', '.join(sorted(known.values()))} in {COMPONENTS}; "
                f"or say which class it holds: --image {unit.image}=FILE.py:Class"
            )
        _require_model(unit)
    return Program(chosen, unit.parameters, unit.image)


def _require_model(unit: Unit) -> None:
    """The components here name a model and its version so; that there is none shall not cost a start."""
    given = {parameter.name: parameter.value for parameter in unit.parameters}
    name, version = given.get("container_name", ""), given.get("run_name", "")
    if name and "/" not in name:  # a folder is one from where the component runs
        try:
            shared_models.load_card(name, version)
        except shared_models.ModelError as error:
            raise ProgramError(f"unit {unit.name!r}: {error}") from None


def _folded(name: str) -> str:
    """Image names are lower case: ``input-transformer`` is InputTransformer."""
    return name.lower().replace("-", "").replace("_", "").replace(".", "")


def _image_name(class_name: str) -> str:
    """``InputTransformer`` is the image ``input-transformer``, ``SKLearnServer`` ``sklearn-server``."""
    return re.sub("(?<=[a-z])(?=[A-Z])", "-", class_name).lower()


def _model_folder(unit: Unit, sources: Sources) -> tuple[Path, str]:
    uri = unit.model_uri.rstrip("/")
    if uri in sources.model_uris:
        return _checked(unit, sources.model_uris[uri]), ""
    address = urllib.parse.urlsplit(uri)
    if address.scheme == "file":
        return _checked(unit, Path(urllib.parse.unquote(address.path))), ""
    name = uri.rpartition("/")[2]
    versions = shared_models.available()
    if name not in versions:
        raise ProgramError(
            f"unit {unit.name!r}: modelUri {unit.model_uri!r} is not on this machine, and no shared model is called "
            f"{name!r}{nearest(name, versions)}; say where it is: --model-uri {unit.model_uri}=FOLDER"
        )
    folder = Path(shared_models.__file__).parent / name / versions[name][0]
    return folder, (
        f"unit {unit.name!r}: {unit.model_uri} is not fetched; the shared model {name} version {versions[name][0]} "
        f"serves in its place (--model-uri {unit.model_uri}=FOLDER for another)"
    )


def _checked(unit: Unit, folder: Path) -> Path:
    if not (folder / "card.json").is_file():
        raise ProgramError(f"unit {unit.name!r}: expected a folder with model.onnx and card.json; found {folder}")
    return folder.resolve()
