"""Putting messages into queues: the exchange into participants', and participants into ours."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pamqp.commands import Basic

from adapters.rabbitmq.confirms import (
    CONFIRM_TIMEOUT_SECONDS,
    PERSISTENT,
    ConfirmedPublishing,
    Publication,
)
from adapters.rabbitmq.connection import RabbitConnection
from adapters.rabbitmq.topology import (
    DELIVERIES,
    RECEIPTS,
    SIGNATURE_HEADER,
    acknowledgements_exchange,
    submissions_exchange,
)
from exchange.ports import Outgoing


class RabbitPublisher:
    """Puts deliveries and receipts into participants' queues (`exchange.ports.Publisher`)."""

    def __init__(
        self, connection: RabbitConnection, *, timeout_seconds: float = CONFIRM_TIMEOUT_SECONDS
    ) -> None:
        self._publishing = ConfirmedPublishing(connection, timeout_seconds=timeout_seconds)

    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Return when the broker has confirmed that every message is durable in its queue.

        Raises:
            Unavailable: the broker did not confirm, or a participant has no queue.
        """
        await self._publishing.publish(
            [
                Publication(
                    exchange=DELIVERIES if one.kind == "delivery" else RECEIPTS,
                    routing_key=one.to,
                    body=one.body,
                    properties=Basic.Properties(
                        content_type=one.content_type,
                        headers=dict(one.headers),
                        delivery_mode=PERSISTENT,
                        message_id=one.message_id,
                        message_type=one.kind,
                    ),
                )
                for one in outgoing
            ]
        )

    async def close(self) -> None:
        """Give back the channel."""
        await self._publishing.close()


class RabbitSubmitter:
    """Puts one participant's signed messages into its own exchanges, as its clients do.

    The connection logs in as the participant. The broker checks the user id we set against that
    login, and the exchange believes nothing else about who sent a message.
    """

    def __init__(
        self,
        connection: RabbitConnection,
        participant: str,
        *,
        timeout_seconds: float = CONFIRM_TIMEOUT_SECONDS,
    ) -> None:
        self._participant = participant
        self._publishing = ConfirmedPublishing(connection, timeout_seconds=timeout_seconds)

    async def submit(
        self,
        messages: Iterable[tuple[bytes, str]],
        *,
        content_type: str,
        to: Literal["submissions", "acknowledgements"] = "submissions",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Return when the broker has confirmed that every (body, detached JWS) is durable.

        Raises:
            Unavailable: it did not; sending the same again is safe.
        """
        own_exchange = (submissions_exchange if to == "submissions" else acknowledgements_exchange)(
            self._participant
        )
        await self._publishing.publish(
            [
                Publication(
                    exchange=own_exchange,
                    routing_key="",
                    body=body,
                    properties=Basic.Properties(
                        content_type=content_type,
                        headers={**(headers or {}), SIGNATURE_HEADER: signature},
                        delivery_mode=PERSISTENT,
                        user_id=self._participant,
                    ),
                )
                for body, signature in messages
            ]
        )

    async def close(self) -> None:
        """Give back the channel."""
        await self._publishing.close()
