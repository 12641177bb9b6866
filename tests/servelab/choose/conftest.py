"""Properties over whole advices are slow to draw: half of the usual examples, on any machine."""

from hypothesis import settings

settings.register_profile("choose", deadline=None, max_examples=50)
settings.load_profile("choose")
