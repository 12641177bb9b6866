"""Your claim as a sentence: `python notebooks/work/10/say.py`."""

import tomllib
from pathlib import Path

claim = tomllib.loads(Path(__file__).with_name("claim.toml").read_text(encoding="utf-8"))
given = claim["given"]
kind = "A screening hints" if claim["screening"] else "We measured"
words = {
    "different": "the two are different",
    "equivalent": "that is no difference worth a word",
    "not distinguishable": "the data cannot tell the two apart",
}
if claim["word"] not in words:
    raise SystemExit(f"expected word to be one of {', '.join(words)}; found {claim['word']}")
print(
    f"{kind}: with {given['workers']} worker process(es) each, serving {given['model']} on {given['cores']} cores "
    f"({given['cpu']}), {claim['slower']} takes {claim['times']:.2f} times (95 %: {claim['low']:.2f} to "
    f"{claim['high']:.2f}) of the {claim['figure']} of {claim['faster']}; {words[claim['word']]}. "
    f'"A hundred times Flask" {"holds" if claim["hundred"] else "does not hold"} here.'
)
