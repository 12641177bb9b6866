"""Measure serving strategies: open-loop load, counted from the intended send time, over boots and interleaved rounds.

load is the engine that sends requests, a process of its own; figures and gates judge a turn; statistics and verdict
compare arms; runner makes boots and rounds, kept by results; summary and table show them; selftest tests all of it by
live controls; cli is the door.
"""
