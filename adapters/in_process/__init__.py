"""The transport ports within one process."""
