"""Helpers that know nothing of routing: optional imports, progress bars, validation."""
