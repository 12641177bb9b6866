"""Uploads the compiled pipeline that a server of Kubeflow Pipelines takes, with that generation's own client."""
