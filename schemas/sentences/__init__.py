"""What we tell people about their messages, in every language we speak, as data."""
