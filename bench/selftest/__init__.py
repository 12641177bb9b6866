"""Live controls: is this bench, on this machine, now, to be believed? `bench selftest` runs them.

Nothing is imported here, because the lab server and the sabotaged engines are processes of their own and start often.
"""
