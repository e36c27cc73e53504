"""The durable store on SQLite and PostgreSQL."""
