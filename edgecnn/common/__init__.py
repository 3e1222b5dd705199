"""Helpers that know nothing of this project's nouns: files, documents, text, statistics, the console."""
