"""Fixtures every test may ask for: the corpora, and real RabbitMQ and PostgreSQL.

What is missing skips the test at a desk and fails it in CI; a missing service fails it under
`make test` too, which has seen to them.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

from tests.services import discover
from tests.services.databases import create_database, drop_database
from tests.services.postgres import PrivatePostgres
from tests.services.processes import ServiceMissing
from tests.services.rabbitmq import PrivateRabbitMQ, RunningRabbitMQ
from tests.services.vhosts import FreshVhosts
from tests.support.thoroughness import examples

PROJECT = Path(__file__).resolve().parent.parent

if not discover.is_ci():
    # In CI hypothesis has a profile of its own, with all its examples and always the same.
    settings.register_profile("desk", max_examples=examples(settings.default.max_examples))
    settings.load_profile("desk")

NEEDS = {
    "corpora": "needs_corpora",
    "rabbitmq_node": "needs_rabbitmq",
    "controllable_rabbitmq": "needs_rabbitmq",
    "private_rabbitmq": "needs_rabbitmq",
    "postgres_server": "needs_postgres",
    "private_postgres": "needs_postgres",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with what its fixtures need, so that `-m "not needs_…"` never lies."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in NEEDS:
                item.add_marker(NEEDS[fixture])


def missing(what: object, *, is_failure: bool | None = None) -> NoReturn:
    """Skip at a desk; fail where a skip would hide that nothing was tested."""
    if is_failure is None:
        is_failure = discover.services_required()
    if is_failure:
        pytest.fail(str(what), pytrace=False)
    pytest.skip(str(what))


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of the shared test corpora (INDEX.md says what lies in it)."""
    return find_corpora(PROJECT, os.environ)


def find_corpora(project: Path, environment: Mapping[str, str]) -> Path:
    """The folder that BHX_CORPORA names, or the one beside the project."""
    given = environment.get("BHX_CORPORA")
    folder = Path(given) if given else project.parent / "shared" / "corpora"
    if not (folder / "INDEX.md").is_file():
        # They are no part of a checkout, so `make test` passes without them, and says so.
        missing(
            "No test corpora: set BHX_CORPORA to the folder that holds their INDEX.md.",
            is_failure=given is not None or discover.is_ci(environment),
        )
    return folder


@pytest.fixture(scope="session")
def rabbitmq_node() -> Iterator[PrivateRabbitMQ | RunningRabbitMQ]:
    """A broker for the whole run: the one given, the one running, or a private one."""
    with ExitStack() as stack:
        try:
            node = stack.enter_context(discover.rabbitmq())
        except ServiceMissing as absent:
            missing(absent)
        yield node


@pytest.fixture(scope="session")
def amqp_url(rabbitmq_node) -> str:
    """The AMQP URL of that broker's own vhost, shared by all tests: prefer `fresh_vhost`."""
    return rabbitmq_node.url


@pytest.fixture(scope="session")
def controllable_rabbitmq(rabbitmq_node) -> Iterator[PrivateRabbitMQ | RunningRabbitMQ]:
    """A broker that rabbitmqctl may talk to: the same one if possible, else a private one."""
    if isinstance(rabbitmq_node, PrivateRabbitMQ) or rabbitmq_node.is_controllable():
        yield rabbitmq_node
        return
    with ExitStack() as stack:
        try:
            node = stack.enter_context(discover.private_rabbitmq())
        except ServiceMissing as absent:
            missing(f"rabbitmqctl cannot talk to the broker given, and: {absent}")
        yield node


@pytest.fixture(scope="session")
def fresh_vhosts(controllable_rabbitmq) -> Iterator[FreshVhosts]:
    """Where `fresh_vhost` comes from; take more than one when a test needs it."""
    vhosts = FreshVhosts(controllable_rabbitmq)
    yield vhosts
    vhosts.remove()


@pytest.fixture
def fresh_vhost(fresh_vhosts) -> Iterator[str]:
    """The AMQP URL of an empty vhost for this test alone."""
    url = fresh_vhosts.take()
    yield url
    fresh_vhosts.give_back(url)


@pytest.fixture
def vhost(fresh_vhost) -> str:
    """The same as `fresh_vhost`."""
    return fresh_vhost


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of the server's maintenance database, without a driver's name."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(discover.postgres())
        except ServiceMissing as absent:
            missing(absent)
        yield url


@pytest.fixture(scope="session")
def database_url(postgres_server) -> Iterator[str]:
    """The SQLAlchemy URL of one database for the whole run: prefer `fresh_database`."""
    url = create_database(postgres_server)
    yield url
    drop_database(postgres_server, url)


@pytest.fixture
def fresh_database(postgres_server) -> Iterator[str]:
    """The SQLAlchemy URL (asyncpg) of an empty database for this test alone."""
    url = create_database(postgres_server)
    yield url
    drop_database(postgres_server, url)


@pytest.fixture
def private_rabbitmq() -> Iterator[Callable[..., PrivateRabbitMQ]]:
    """Start a broker the test may kill: `private_rabbitmq(plugins=…, extra_config=…)`."""
    with ExitStack() as stack:

        def start(**settings: object) -> PrivateRabbitMQ:
            try:
                return stack.enter_context(PrivateRabbitMQ(**settings))
            except ServiceMissing as absent:
                missing(absent)

        yield start


@pytest.fixture
def private_postgres() -> Iterator[Callable[[], PrivatePostgres]]:
    """Start a server the test may kill: `private_postgres()`."""
    with ExitStack() as stack:

        def start() -> PrivatePostgres:
            try:
                return stack.enter_context(PrivatePostgres())
            except ServiceMissing as absent:
                missing(absent)

        yield start
