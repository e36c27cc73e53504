"""A delivery: the publisher's bytes and signature, and the proof that this disclosure is logged."""

from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from schemas.strict_json import read_json
from schemas.violation import SchemaViolation, problem
from schemas.wire_json import WireBytes, WireDocument

DELIVERY_HEADER = "bhx-delivery"
SIGNATURE_HEADER = "x-jws-signature"


class Delivery(WireDocument):
    """What a subscriber receives; the same delivery id means the same delivery again.

    Attributes:
        state: `released`; `withheld`: a tombstone without a body that keeps the numbering gap-free
            when the basis fell away before release; `recalled`: a notice, all of which stands in
            its entry, to stop using a delivery of before.
        number: position in the subscriber's own numbering, from 1, without gaps.
        publisher: who signed `body`: who sent it, or this exchange for a view that it made.
        message: id of the message in `body`.
        entry: exact bytes of the `released`, `withheld` or `recalled` trail leaf.
        proof: c2sp.org/tlog-proof@v1 text for that leaf.
        content_salt: opens the leaf's content commitment over `body`.
        signature: the detached JWS over `body`.
        body: exactly the bytes that were signed.
        standing: whether it was the newest version of its record when it was released. Of those
            that were `current`, the one with the highest number counts; what is `superseded`
            never replaces anything. Absent when withheld, and for what is no version of a record.
        superseded_by: trail index at which the newer version was accepted.
    """

    ABSENT_WHEN_NONE: ClassVar[tuple[str, ...]] = ("standing", "superseded_by")

    v: Literal[1] = 1
    delivery: str
    subscriber: str
    number: int
    state: Literal["released", "withheld", "recalled"]
    publisher: str
    message: str
    entry: WireBytes
    proof: str
    content_salt: WireBytes | None = None
    signature: str | None = None
    body: WireBytes | None = None
    standing: Literal["current", "superseded"] | None = None
    superseded_by: int | None = None

    @model_validator(mode="after")
    def _a_release_has_content(self) -> Self:
        content = (self.content_salt, self.signature, self.body)
        if self.state == "released" and None in content:
            msg = "a released delivery carries body, signature and content_salt"
            raise ValueError(msg)
        if self.state != "released" and content != (None, None, None):
            msg = "a withheld delivery, and a notice of recall, carries no content"
            raise ValueError(msg)
        return self

    def to_headers(self) -> dict[str, str]:
        """AMQP headers; the body travels as the AMQP body, byte for byte."""
        statement = self.model_copy(update={"body": None, "signature": None})
        headers = {DELIVERY_HEADER: statement.to_bytes().decode()}
        if self.signature is not None:
            headers[SIGNATURE_HEADER] = self.signature
        return headers

    @classmethod
    def from_headers(cls, headers: dict[str, Any], body: bytes) -> Self:
        """The delivery that `to_headers` and the AMQP body make up.

        Raises:
            SchemaViolation: the headers are missing or not of that form.
        """
        statement, signature = headers.get(DELIVERY_HEADER), headers.get(SIGNATURE_HEADER)
        if not isinstance(statement, str):
            raise SchemaViolation(problem("delivery.no-header", "required", DELIVERY_HEADER))
        values = cls._statement_values(statement.encode())
        if values.get("state") == "released":
            values["body"] = body
            values["signature"] = signature
        return cls.from_values(values)

    @classmethod
    def _statement_values(cls, statement: bytes) -> dict[str, Any]:
        values = read_json(statement)
        if not isinstance(values, dict):
            raise SchemaViolation(
                problem("delivery.header-not-object", "structure", DELIVERY_HEADER)
            )
        return values
