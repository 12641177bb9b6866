"""The book: its pages, and what assembles and builds them (``python -m docs.book``)."""
