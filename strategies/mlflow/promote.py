"""Let the alias champion name another version: `python promote.py mnist 2`. The next start of a server follows it."""

import sys

import registry  # isort: split

import mlflow
import prepare

from shared_models import ModelError


def main() -> str:
    """Move the alias; returns what it names now."""
    if len(sys.argv) != 3:
        raise SystemExit("expected a model and a version; type: python promote.py mnist 2")
    model, version = sys.argv[1:]
    try:
        prepare.ensure(model)
    except ModelError as error:
        raise SystemExit(f"expected a registered model or the folder of one; found {model}: {error}") from None
    mlflow.set_tracking_uri(registry.tracking_uri())
    name = registry.registered_name(model)
    try:
        mlflow.MlflowClient().set_registered_model_alias(name, registry.CHAMPION, version)
    except mlflow.MlflowException as error:
        raise SystemExit(f"expected a version that is registered; found {name} {version}: {error.message}") from None
    return f"models:/{name}@{registry.CHAMPION} is version {version}"


if __name__ == "__main__":
    print(main())
