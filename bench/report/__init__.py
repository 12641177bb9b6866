"""What runs have found, for those who must choose: the figures per model and strategy.

derive makes them from runs (pure); forms prints them; pages makes docs/strategies/ of them and of each strategy's
contract; book is everything below docs/ that is derived from a journal; command is the door.
"""
