"""Pinned terminology: which disease a code is about, as data with its version and sources."""
