"""animals: what becomes of a shelter's animal, from its species and four numbers, behind a fitted preprocessor."""
