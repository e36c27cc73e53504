"""Views: a new message that holds of a record what its recipient may see, and no more."""
