"""Which component is served, as Seldon's own environment variables say it, and with the guard that it gets.

MODEL_NAME is a class of this folder, in a file of the same name, or ``/path/FILE.py:Class``;
PREDICTIVE_UNIT_PARAMETERS its constructor's arguments, a JSON list of name, value and type. Where Seldon gives no
parameters, MODEL and MODEL_VERSION choose among the shared models, as they do for every strategy.

``seldon-core-microservice component.ModelInfer`` finds a class here, too: so the stock command serves it guarded.
"""

import atexit
import difflib
import importlib.util
import json
import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from guard import guard
from gunicorn.errors import AppImportError  # type: ignore[import-untyped]
from seldon_core.flask_utils import SeldonMicroserviceException  # type: ignore[import-untyped]
from seldon_core.microservice import PARAMETERS_ENV_NAME, parse_parameters  # type: ignore[import-untyped]

from shared_models import ModelError

HERE = Path(__file__).parent
DEFAULT = "ModelInfer"


class ComponentError(AppImportError):  # type: ignore[misc]
    """No such component, or not these parameters; the message says what was expected and what was found.

    gunicorn prints the message of such an error without a traceback, and ends.
    """


def asked() -> Any:
    """The component that the environment names, guarded, and not yet loaded. Raises ComponentError."""
    return build(os.environ.get("MODEL_NAME") or DEFAULT, **_parameters())


def build(name: str, **parameters: Any) -> Any:
    """The component of that name, guarded, and not yet loaded. Raises ComponentError."""
    try:
        component = _find(name)(**(parameters or _chosen()))
    except TypeError as error:
        raise ComponentError(f"expected {PARAMETERS_ENV_NAME} to be what {name} takes; found {error}") from None
    except (ModelError, SeldonMicroserviceException) as error:
        raise ComponentError(f"{name}: {_words(error)}") from None
    component.model_error_handler = guard  # the blueprint that the wrapper registers for a component that has one
    return component


def load(component: Any) -> None:
    """Call its ``load``, where it has one, as the stock command does in each worker. Raises ComponentError."""
    if hasattr(component, "load"):
        try:
            component.load()
        except NotImplementedError:  # SeldonComponent's own
            pass
        except (ModelError, SeldonMicroserviceException) as error:
            raise ComponentError(f"{type(component).__name__}: {_words(error)}") from None


def _words(error: Exception) -> str:
    """Seldon's exception says nothing as text."""
    return str(getattr(error, "message", error))


def _find(name: str) -> Callable[..., Any]:
    file, _, attribute = name.rpartition(":")
    path = Path(file) if file else HERE / f"{name}.py"
    if not path.is_file():
        known = sorted(each.stem for each in HERE.glob("*.py") if each.stem[0].isupper())
        near = difflib.get_close_matches(name, known, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        wanted = f"MODEL_NAME to be one of {', '.join(known)}, or /path/FILE.py:Class"
        raise ComponentError(f"expected {wanted}; found {name}{hint}")
    sys.path.insert(0, str(path.parent.resolve()))
    module = _imported(path) if file else importlib.import_module(path.stem)
    try:
        return getattr(module, attribute)  # type: ignore[no-any-return]
    except AttributeError:
        raise ComponentError(f"expected {path} to have the class {attribute}; it has none of that name") from None


def _imported(path: Path) -> ModuleType:
    """The module in that file, under a name of its own: this folder, or Python, may have a module called so."""
    spec = importlib.util.spec_from_file_location(f"component_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ComponentError(f"expected MODEL_NAME to be /path/FILE.py:Class; found the file {path}")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _parameters() -> dict[str, Any]:
    text = os.environ.get(PARAMETERS_ENV_NAME, "[]")
    try:
        return parse_parameters(json.loads(text))  # type: ignore[no-any-return]
    except SeldonMicroserviceException as error:
        problem = error.message
    except (ValueError, TypeError, AttributeError) as error:
        problem = str(error)
    wanted = '[{"name": "container_name", "value": "iris", "type": "STRING"}]'
    raise ComponentError(f"expected {PARAMETERS_ENV_NAME} to be a JSON list such as {wanted}; found {text}: {problem}")


def _chosen() -> dict[str, str]:
    """The shared model that MODEL and MODEL_VERSION choose, unless Seldon says what the parameters are."""
    if PARAMETERS_ENV_NAME in os.environ or not os.environ.get("MODEL"):
        return {}
    version = os.environ.get("MODEL_VERSION")
    return {"container_name": os.environ["MODEL"]} | ({"run_name": version} if version else {})


def __getattr__(name: str) -> Callable[..., Any]:
    """What the stock command takes for the class of that name: it calls it with the parameters."""
    if not (HERE / f"{name}.py").is_file():
        raise AttributeError(name)
    atexit.register(_end_children, os.getpid())

    def guarded(**parameters: Any) -> Any:
        try:
            return build(name, **parameters)
        except ComponentError as error:
            sys.exit(str(error))

    return guarded


def _end_children(main: int) -> None:
    """Let the stock command end: at its end it waits for its gRPC process, which nobody has told to stop."""
    if os.getpid() == main:
        for child in multiprocessing.active_children():
            child.terminate()
