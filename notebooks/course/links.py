"""The links of a Markdown text: found outside of code, each with the section that it stands in. Pure."""

import re
from collections.abc import Callable

# What is code holds no link. A link's text may itself be code, so only its end is looked for; so are definitions.
TOKEN = re.compile(
    r"^ {0,3}(?P<fence>`{3,}|~{3,}).*?^ {0,3}(?P=fence)[`~]*[ \t]*$"
    r"|(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n\n).)+?(?<!`)(?P=ticks)(?!`)"
    r"|^\#\#[ ]+(?P<section>[^\n]+)$"
    r"|\]\((?P<inline>[^)\s]+)\)"
    r"|^\[[^\]^]+\]:[ ]+(?P<definition>\S+)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
OUTSIDE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//")


def followed(text: str, follow: Callable[[str, str], str]) -> str:
    """The text with each link to a file replaced by what ``follow(path, section)`` makes of it.

    ``path`` is as it is written, without its anchor, which stays; ``section`` is the text of the ``## `` heading above,
    empty before the first. Links to other hosts and within the page are left alone.
    """
    section = ""

    def one(found: re.Match[str]) -> str:
        nonlocal section
        section = found["section"] or section
        for kind in ("inline", "definition"):
            path, anchor, name = (found[kind] or "").partition("#")
            if path and not OUTSIDE.match(path):
                start, end = (place - found.start() for place in found.span(kind))
                return found[0][:start] + follow(path, section) + anchor + name + found[0][end:]
        return found[0]

    return TOKEN.sub(one, text)
