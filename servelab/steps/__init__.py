"""The steps of a pipeline as commands, `servelab step ...`: files in, files out, one line that says what was done.

What orchestrates them (KFP 1.8, KFP 2, a shell) is of no concern to them. data, model, judgement, manifest, deploy,
verify and promote each hold one or two steps; files reads and writes what steps hand to each other; command makes the
command line of all of them. Those that deploy ask the Kubernetes API (servelab/kubernetes.py).
"""
