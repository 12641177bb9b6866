"""What the doctor finds: one thing looked at, what was found, and what to do where it is missing."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; ``optional`` ones are missing without harm to the main job."""

    what: str
    ok: bool
    found: str
    remedy: str = ""
    optional: bool = False


def fine(findings: Sequence[Finding]) -> bool:
    """Whether everything is there that is not optional."""
    return all(finding.ok or finding.optional for finding in findings)


def render(findings: Sequence[Finding]) -> str:
    """One line a finding, with its remedy below where something is missing."""
    width = max(len(finding.what) for finding in findings)
    lines = []
    for finding in findings:
        mark = "ok     " if finding.ok else "without" if finding.optional else "MISSING"
        lines.append(f"{mark}  {finding.what:<{width}}  {finding.found}")
        if not finding.ok and finding.remedy:
            lines.append(f"{'':<9}{'':<{width}}  -> {finding.remedy}")
    return "\n".join(lines)


def to_json(findings: Sequence[Finding]) -> str:
    """``{"ok": ..., "findings": [{"what", "ok", "found", "remedy", "optional"}, ...]}``, for programs."""
    content = {"ok": fine(findings), "findings": list(map(dataclasses.asdict, findings))}
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()
