"""Numbers as words."""

import math

UNKNOWN = "-"


def number(value: float | None) -> str:
    """Three significant digits, whole from 100 on; a dash for what is not known."""
    if value is None:
        return UNKNOWN
    if not math.isfinite(value):
        return "inf"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
