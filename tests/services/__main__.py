"""`python -m tests.services`: say which services the tests will use; install what is missing."""

import sys

from tests.services import debian, discover
from tests.services.postgres import postgres_programs
from tests.services.processes import ServiceMissing
from tests.services.rabbitmq import rabbitmq_programs


def main() -> int:
    """Return 0 once both services can be had; else say what to type and return 1."""
    try:
        missing = _missing()
    except ServiceMissing as wrong:
        print(wrong, file=sys.stderr)
        return 1
    if missing and debian.can_install():
        print(f"Installing {' and '.join(missing)} (Debian packages)", flush=True)
        debian.install(list(missing))
        missing = _missing()
    for how in missing.values():
        print(how, file=sys.stderr)
    return 1 if missing else 0


def _missing() -> dict[str, str]:
    """Return Debian package → what to type, for each service that cannot be had yet."""
    missing = {}
    if discover.running_rabbitmq() is not None:
        print("RabbitMQ: the one that is running")
    elif rabbitmq_programs() is not None:
        print("RabbitMQ: a private one")
    else:
        missing["rabbitmq-server"] = discover.HOW_RABBITMQ
    if discover.running_postgres() is not None:
        print("PostgreSQL: the one that is running")
    elif postgres_programs() is not None:
        print("PostgreSQL: a private one")
    else:
        missing["postgresql"] = discover.HOW_POSTGRES
    return missing


if __name__ == "__main__":
    sys.exit(main())
