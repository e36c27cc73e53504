"""The world: brokers, databases, HTTP, the command line, and the participants' clients."""
