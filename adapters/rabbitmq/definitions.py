"""RabbitMQ's definitions file: users and what each may touch, generated from the directory.

For `rabbitmqctl import_definitions`. Every participant that uses queues has its own user, named
by its participant id, which can declare nothing, write only to its own exchanges and read only
its own queues. So the user id the broker checks is the participant.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from adapters.rabbitmq.topology import (
    acknowledgements_exchange,
    deliveries_queue,
    publishers_of,
    queue_subscribers_of,
    receipts_queue,
    submissions_exchange,
    topology_for,
)
from schemas.participant import Participant

_HASHING = "rabbit_password_hashing_sha256"
_SALT_BYTES = 4


def rabbitmq_definitions(
    participants: Sequence[Participant],
    *,
    vhost: str,
    exchange_user: str,
    password_hash: Callable[[str], str],
) -> dict[str, Any]:
    """The document to import.

    Suspended participants keep their queues and user but lose every permission.

    Args:
        participants: the whole directory.
        vhost: where everything lies.
        exchange_user: the user of the exchange itself, which may do anything in the vhost.
        password_hash: gives the hash for a user name, as made by `hashed_password`.
    """
    publishers, subscribers = publishers_of(participants), queue_subscribers_of(participants)
    topology = topology_for(publishers, subscribers)
    suspended = {one.id for one in participants if one.suspended}
    users = sorted({*publishers, *subscribers})
    return {
        "vhosts": [{"name": vhost}],
        "users": [_user(name, password_hash(name)) for name in [exchange_user, *users]],
        "permissions": [
            {
                "user": exchange_user,
                "vhost": vhost,
                "configure": r"^bhx\.",
                # The default exchange is how the retry ladder is written to.
                "write": r"^(bhx\.|amq\.default$)",
                "read": r"^bhx\.",
            },
            *(
                {
                    "user": name,
                    "vhost": vhost,
                    "configure": "^$",
                    "write": _only(
                        [submissions_exchange(name)] * (name in publishers)
                        + [acknowledgements_exchange(name)] * (name in subscribers)
                    ),
                    "read": _only(
                        [receipts_queue(name)] * (name in publishers)
                        + [deliveries_queue(name)] * (name in subscribers)
                    ),
                }
                for name in users
                if name not in suspended
            ),
        ],
        "exchanges": [
            {
                "name": exchange.name,
                "vhost": vhost,
                "type": exchange.kind,
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
            for exchange in topology.exchanges
        ],
        "queues": [
            {
                "name": queue.name,
                "vhost": vhost,
                "durable": True,
                "auto_delete": False,
                "arguments": dict(queue.arguments),
            }
            for queue in topology.queues
        ],
        "bindings": [
            {
                "source": binding.exchange,
                "vhost": vhost,
                "destination": binding.queue,
                "destination_type": "queue",
                "routing_key": binding.routing_key,
                "arguments": {},
            }
            for binding in topology.bindings
        ],
    }


def hashed_password(password: str, salt: bytes | None = None) -> str:
    """RabbitMQ's own form: base64 of a 4 byte salt and SHA-256 over salt and password.

    A fast hash, so only for passwords drawn at random, never for ones people chose.
    """
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    digest = hashlib.sha256(salt + password.encode()).digest()
    return base64.b64encode(salt + digest).decode("ascii")


def _user(name: str, password_hash: str) -> dict[str, Any]:
    # No tags: a tag could let a user see or impersonate others.
    return {
        "name": name,
        "password_hash": password_hash,
        "hashing_algorithm": _HASHING,
        "tags": [],
        "limits": {},
    }


def _only(names: Iterable[str]) -> str:
    """A pattern of exactly these names, for RabbitMQ looks for a match anywhere."""
    return f"^({'|'.join(re.escape(name) for name in names)})$"
