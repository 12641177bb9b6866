"""`bench explain CODE`: one page for each finding, beside this module as <CODE>.md, for those who meet it first."""

import difflib
from importlib import resources

from bench import gates
from bench.errors import BenchError


def page(code: str) -> str:
    """The page of a finding's code, Markdown. Raises BenchError for a code that no gate has."""
    known = code.upper().replace("-", "_")
    if known not in gates.CODES:
        nearest = difflib.get_close_matches(known, gates.CODES, n=1)
        meant = f" Did you mean {nearest[0]}?" if nearest else ""
        codes = ", ".join(sorted(gates.CODES))
        raise BenchError(f"expected the code of a finding, found {code!r}.{meant} The codes: {codes}")
    return resources.files(__package__).joinpath(f"{known}.md").read_text("utf-8")
