"""Fresh RabbitMQ vhosts, so that no test sees another one's queues."""

import secrets
from urllib.parse import urlsplit, urlunsplit

from tests.services.rabbitmq import PrivateRabbitMQ, RunningRabbitMQ

# Every rabbitmqctl call starts an Erlang machine, about a second: make some at once.
MADE_AT_ONCE = 4


class FreshVhosts:
    """Hands out vhosts of one node that nobody used before; `remove()` deletes them all."""

    def __init__(self, node: PrivateRabbitMQ | RunningRabbitMQ) -> None:
        self._node = node
        self._made: list[str] = []
        self._unused: list[str] = []
        self._done_with: list[str] = []

    def take(self) -> str:
        """Return the AMQP URL of a vhost that holds nothing."""
        if not self._unused:
            self._make([f"bhx_test_{secrets.token_hex(6)}" for _ in range(MADE_AT_ONCE)])
        parts = urlsplit(self._node.url)
        return urlunsplit(parts._replace(path=f"/{self._unused.pop()}"))

    def give_back(self, url: str) -> None:
        """Nobody needs it any more: it goes when the next ones are made.

        Quorum queues hold several file handles each, and a broker has about a thousand.
        """
        self._done_with.append(urlsplit(url).path.removeprefix("/"))

    def remove(self) -> None:
        """Delete every vhost made here, with all it holds."""
        if self._made:
            deletes = [f'rabbit_vhost:delete(<<"{name}">>, <<"tests">>)' for name in self._made]
            self._node.ctl("eval", ", ".join(deletes) + ", done.")
            self._made.clear()
            self._unused.clear()

    def _make(self, names: list[str]) -> None:
        user = urlsplit(self._node.url).username or "guest"
        anything = '<<".*">>'
        steps = [f'rabbit_vhost:delete(<<"{name}">>, <<"tests">>)' for name in self._done_with]
        self._made = [name for name in self._made if name not in self._done_with]
        self._done_with.clear()
        for name in names:
            steps.append(f'rabbit_vhost:add(<<"{name}">>, <<"tests">>)')
            steps.append(
                "rabbit_auth_backend_internal:set_permissions("
                f'<<"{user}">>, <<"{name}">>, {anything}, {anything}, {anything}, <<"tests">>)'
            )
        self._made += names
        self._node.ctl("eval", ", ".join(steps) + ", done.")
        self._unused += names
