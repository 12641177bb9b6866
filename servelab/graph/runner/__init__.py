"""Runs deployments: their component processes, applies and rollbacks, the control API, the command itself."""
