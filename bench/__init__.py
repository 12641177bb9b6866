"""Measure serving strategies: open-loop load, counted from the intended send time, in interleaved rounds.

The modules run down one line: schedule, pacer and pool make the engine (a process of its own); resources reads what
the server spent; figures and gates judge a round; runner drives rounds; results and table show them; cli is the door.
"""
