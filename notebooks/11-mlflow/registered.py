"""Registers mnist, unless that is done, and prints what the registry holds. The folder of the store is in STATE."""

import registry  # isort: skip  # of strategies/mlflow: it turns MLflow's telemetry off, so it is imported first

import mlflow
import prepare

prepare.ensure("mnist")
mlflow.set_tracking_uri(registry.tracking_uri())
client = mlflow.MlflowClient()

for model in client.search_registered_models():
    named = {version: alias for alias, version in model.aliases.items()}
    for version in sorted(client.search_model_versions(f"name = '{model.name}'"), key=lambda each: int(each.version)):
        run = client.get_run(version.run_id)
        images, accuracy = run.data.params["images"], run.data.metrics["accuracy"]
        alias = f"@{named[version.version]}" if version.version in named else ""
        print(f"models:/{model.name}/{version.version}  {images:>6} images  accuracy {accuracy:.4f}  {alias}".rstrip())
