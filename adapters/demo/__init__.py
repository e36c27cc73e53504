"""A whole world in one process."""
