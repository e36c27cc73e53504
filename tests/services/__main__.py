"""`python -m tests.services`: say which services the tests will use; install what is missing.

The programs are needed even where both services run: some tests kill and restart servers of their
own, and vhosts are made with rabbitmqctl.
"""

import sys

from tests.services import debian, discover
from tests.services.processes import ServiceMissing


def main() -> int:
    """Return 0 once every test can have what it needs; else say what to type and return 1."""
    try:
        given = {
            "RabbitMQ": discover.running_rabbitmq(),
            "PostgreSQL": discover.running_postgres(),
        }
    except ServiceMissing as wrong:
        print(wrong, file=sys.stderr)
        return 1
    missing = debian.not_installed()
    if missing and debian.can_install():
        print(f"Installing {' and '.join(missing)} (Debian packages)", flush=True)
        debian.install(missing)
        missing = debian.not_installed()
    if missing:
        print(debian.what_to_type(missing), file=sys.stderr)
        return 1
    for service, running in given.items():
        print(f"{service}: {'a private one' if running is None else 'the one that is running'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
