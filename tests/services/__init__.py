"""Real RabbitMQ and PostgreSQL for tests: found running, or started privately and removed after."""
