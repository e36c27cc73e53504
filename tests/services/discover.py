"""Which RabbitMQ and PostgreSQL the tests use.

In this order: the one whose URL is given (BHX_TEST_AMQP_URL, BHX_TEST_DATABASE_URL), the one that
answers on the standard port, a private one started from installed programs. A URL that was
given and does not answer is an error: the tests must not quietly run against something else.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.services.databases import plain_url
from tests.services.postgres import PrivatePostgres, postgres_programs
from tests.services.processes import ServiceMissing
from tests.services.rabbitmq import PrivateRabbitMQ, RunningRabbitMQ, rabbitmq_programs
from tests.services.wire import amqp_answers, postgres_answers, tcp_answers

STANDARD_AMQP_URL = "amqp://guest:guest@127.0.0.1:5672/"
STANDARD_DATABASE_URL = "postgresql://postgres@127.0.0.1:5432/postgres"

HOW_RABBITMQ = (
    "No RabbitMQ. Any one of these is enough:\n"
    "  sudo apt-get install -y --no-install-recommends rabbitmq-server   (tests start their own)\n"
    "  start one that answers on 127.0.0.1:5672 as guest/guest\n"
    "  export BHX_TEST_AMQP_URL=amqp://user:password@host:5672/"
)
HOW_POSTGRES = (
    "No PostgreSQL. Any one of these is enough:\n"
    "  sudo apt-get install -y --no-install-recommends postgresql        (tests start their own)\n"
    "  start one that lets user postgres in on 127.0.0.1:5432 without a password\n"
    "  export BHX_TEST_DATABASE_URL=postgresql://user:password@host:5432/postgres"
)


def services_required(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a missing service is a failure (CI, `make test`) and not a skip (at a desk)."""
    return is_ci(environment) or _says_yes(environment, "BHX_REQUIRE_SERVICES")


def is_ci(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether nobody is there to read why something was skipped."""
    return _says_yes(environment, "CI")


def _says_yes(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").lower() in {"1", "true", "yes"}


def running_rabbitmq(environment: Mapping[str, str] = os.environ) -> RunningRabbitMQ | None:
    """Return the broker that is given or answers on the standard port.

    Raises:
        ServiceMissing: a URL was given and does not let us in.
    """
    given = environment.get("BHX_TEST_AMQP_URL")
    if given:
        if not amqp_answers(given):
            raise ServiceMissing("BHX_TEST_AMQP_URL is set, but no broker lets us in there.")
        return RunningRabbitMQ(given)
    return RunningRabbitMQ(STANDARD_AMQP_URL) if amqp_answers(STANDARD_AMQP_URL) else None


def running_postgres(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the URL of the server that is given or answers on the standard port.

    Raises:
        ServiceMissing: a URL was given and nothing listens there.
    """
    given = environment.get("BHX_TEST_DATABASE_URL")
    if given:
        if not tcp_answers(given, default_port=5432):
            raise ServiceMissing("BHX_TEST_DATABASE_URL is set, but no server listens there.")
        return plain_url(given)
    return STANDARD_DATABASE_URL if postgres_answers(STANDARD_DATABASE_URL) else None


@contextmanager
def rabbitmq() -> Iterator[PrivateRabbitMQ | RunningRabbitMQ]:
    """Give a broker for as long as the block runs.

    Raises:
        ServiceMissing: there is none and none is installed; the text says what to type.
    """
    running = running_rabbitmq()
    if running is not None:
        yield running
        return
    with private_rabbitmq() as private:
        yield private


@contextmanager
def private_rabbitmq() -> Iterator[PrivateRabbitMQ]:
    """Give a broker nobody else uses.

    Raises:
        ServiceMissing: none is installed; the text says what to type.
    """
    if rabbitmq_programs() is None:
        raise ServiceMissing(HOW_RABBITMQ)
    with PrivateRabbitMQ() as private:
        yield private


@contextmanager
def postgres() -> Iterator[str]:
    """Give the URL of a server for as long as the block runs.

    Raises:
        ServiceMissing: there is none and none is installed; the text says what to type.
    """
    running = running_postgres()
    if running is not None:
        yield running
        return
    if postgres_programs() is None:
        raise ServiceMissing(HOW_POSTGRES)
    with PrivatePostgres() as private:
        yield private.url
