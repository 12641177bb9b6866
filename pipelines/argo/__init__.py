"""A laptop's stand-in for Argo Workflows, for the workflows that KFP 1.8 compiles.

It runs container steps as processes of this machine, in the folder of programs that stands for their image, and
resource steps by kubectl against a cluster or by HTTP against a server with the paths of the Kubernetes API.
``python -m pipelines.argo`` says how to call it; README.md beside this file says what it does not do.

Pure: workflow (its values), document (reads one), support (what is refused), lint and lint_dag (Argo's own rules),
scope ({{...}}), when (the conditions of tasks), selector (the conditions of resources), jsonpath (their outputs), tree
(what is shown). Running: engine (tasks, retries, the exit handler), step (one container), resource (one resource),
kubectl and api (where resources live), display.
"""
