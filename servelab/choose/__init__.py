"""Which strategy fits? Answers to a few questions in, ranked strategies with their measured figures and reasons out.

questions: what is asked, and what may be answered; figures: the file of what was measured; rules: who is ruled out, by
which answer; advice: who remains, in which order and why; around: the way there, and what cannot be said; cards: six
situations to practise on. These are pure. show prints, page writes docs/choosing.md, command asks. Nothing here
measures: that is the bench's part, which writes the file.
"""

from servelab.choose.advice import Advice, advise
from servelab.choose.cards import CARDS, Card
from servelab.choose.figures import Figures, load
from servelab.choose.questions import AnswerError, Answers

__all__ = ["CARDS", "Advice", "AnswerError", "Answers", "Card", "Figures", "advise", "load"]
