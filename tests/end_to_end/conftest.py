"""A deployment for each test module that asks: RabbitMQ, PostgreSQL and `bhx serve`."""

import shutil
from collections.abc import Iterator

import pytest

from tests.conftest import missing
from tests.end_to_end.deployment import Deployment
from tests.services.databases import create_database, drop_database


@pytest.fixture(scope="module")
def deployment(controllable_rabbitmq, postgres_server, tmp_path_factory) -> Iterator[Deployment]:
    """An exchange that runs, with its participants admitted."""
    database = create_database(postgres_server)
    made = Deployment(tmp_path_factory.mktemp("deployment"), controllable_rabbitmq, database)
    try:
        yield made.start()
    finally:
        made.remove()
        drop_database(postgres_server, database)


@pytest.fixture(scope="session")
def amqp_tools() -> None:
    """Debian's command-line tools for AMQP, which `make test` has seen to."""
    if not shutil.which("amqp-consume"):
        missing("No amqp-consume: sudo apt-get install -y --no-install-recommends amqp-tools")
