"""Lessons: a file here is one claim of the textbook, measured."""
