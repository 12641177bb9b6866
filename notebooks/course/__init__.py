"""The machinery of the course: a lesson is a folder, from which its notebook, its exercise and its page are derived.

``lesson`` facts of a folder, ``notebook`` its page, ``expected`` what the page promises, ``execution`` and ``run``
its execution, ``exercise``, ``check`` and ``learner`` what a learner does with it; ``page`` and ``program`` are for the
lessons themselves.
"""
