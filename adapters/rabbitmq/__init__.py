"""RabbitMQ: topology, source, publisher, definitions."""
