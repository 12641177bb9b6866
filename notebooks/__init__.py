"""The course: one folder a lesson, and what derives, runs and checks them (the package ``course``)."""
