"""The acknowledgement: a subscriber's signed word that it holds deliveries, many in one."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from schemas.wire_json import WireDocument

MOST_DELIVERIES = 1_000


class Acknowledgement(WireDocument):
    """Signed as a detached JWS over exactly its bytes (schemas.envelope, `ACKNOWLEDGEMENT`).

    Attributes:
        deliveries: delivery ids, each verified and kept by the subscriber.
        at: when the subscriber wrote it, by its own clock.
    """

    v: Literal[1] = 1
    subscriber: str
    deliveries: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")], ...],
        Field(min_length=1, max_length=MOST_DELIVERIES),
    ]
    at: AwareDatetime
