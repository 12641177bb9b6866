"""The machinery of the course: a lesson is a folder, from which its notebook, its exercise and its page are derived.

``lesson`` facts of a folder, ``notebook`` its page, ``expected`` what the page promises, ``execution``, ``run`` and
``offline`` its execution; ``exercise``, ``check``, ``checking``, ``learner`` and ``lab`` what a learner does with it;
``index`` the table of all, ``links`` those of a page; ``page`` and ``program`` are for the lessons themselves.
"""
