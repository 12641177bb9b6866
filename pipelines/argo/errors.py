"""What can go wrong: every message says what was expected, what was found and what to type next."""


class ArgoError(Exception):
    """The workflow, an option or a step cannot be used as it is; printed without a traceback."""


class StepFailed(ArgoError):
    """A step ran and failed, as a program does that exits with another status than 0 (Argo's phase Failed)."""
