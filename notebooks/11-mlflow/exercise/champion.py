"""Which version answers, and how each was made: three functions on MLflow's registry.

``client`` is an ``mlflow.MlflowClient``, ``name`` a registered model such as ``mnist``, ``version`` the number of a
version, as text: ``"2"``. (Where MLflow gives a version, it may be a number: ``str`` makes it text.) A server follows
the alias ``champion`` when it starts.
"""

from mlflow import MlflowClient

CHAMPION, PREVIOUS = "champion", "previous"


def promote(client: MlflowClient, name: str, version: str) -> None:
    """Let ``champion`` name this version, and ``previous`` the one that it named until now.

    What is champion already stays as it is, and ``previous`` too. Of a version that is not registered MLflow's error is
    raised, and both aliases stay as they were.
    """
    # starter: raise NotImplementedError
    # solution: begin
    before = str(client.get_model_version_by_alias(name, CHAMPION).version)
    if before != version:
        client.set_registered_model_alias(name, CHAMPION, version)  # first: it is this that may be refused
        client.set_registered_model_alias(name, PREVIOUS, before)
    # solution: end


def take_back(client: MlflowClient, name: str) -> str:
    """Let ``champion`` name again what ``previous`` names; returns that version."""
    # starter: raise NotImplementedError
    # solution: begin
    version = str(client.get_model_version_by_alias(name, PREVIOUS).version)
    client.set_registered_model_alias(name, CHAMPION, version)
    return version
    # solution: end


def recipe(client: MlflowClient, name: str, version: str) -> dict[str, str]:
    """How a version was made: the parameters of the run that logged it, and that run's id as ``run_id``."""
    # starter: raise NotImplementedError
    # solution: begin
    run_id = client.get_model_version(name, version).run_id
    return {**client.get_run(run_id).data.params, "run_id": run_id}
    # solution: end
