"""The load engine: schedules made before the run, sent on time by a process of its own, and what came of each request.

The modules run down one line: schedule, pacer and pool make the engine; launch starts it with a job and reads its
records; null_server and ceiling tell how much it can do; speed compares that with other generators.
"""
