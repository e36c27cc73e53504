"""The cessation: a subscriber signs that it no longer uses, or deleted, what was recalled."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from schemas.wire_json import WireDocument

MOST_NOTICES = 1_000


class Cessation(WireDocument):
    """Signed as a detached JWS over exactly its bytes (schemas.envelope, `CESSATION`).

    Attributes:
        notices: delivery ids of the notices of recall that it answers, all in the same way.
        answer: `ceased`: what was recalled is kept and no longer used; `deleted`: it is gone.
        at: when the subscriber wrote it, by its own clock.
    """

    v: Literal[1] = 1
    subscriber: str
    notices: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")], ...],
        Field(min_length=1, max_length=MOST_NOTICES),
    ]
    answer: Literal["ceased", "deleted"]
    at: AwareDatetime
