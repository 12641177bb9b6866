"""The names of the control API, which are Kubernetes' own: for those who serve it and those who ask it."""

GROUP = "machinelearning.seldon.io"
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
# What the server writes into metadata, and a client may send back; the rest is the manifest's.
SERVER_SIDE = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")
