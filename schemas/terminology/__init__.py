"""Pinned terminology as data with versions and sources: systems, codes, diseases, concept maps."""
