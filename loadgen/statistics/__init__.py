"""Figures with their confidence: pure functions of numpy arrays. Knows no records, no recipe and no file."""
