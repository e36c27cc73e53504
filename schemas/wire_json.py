"""JSON members that carry bytes, for the exchange's own small documents."""

import base64
import binascii
import json
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError

from schemas.strict_json import read_json
from schemas.violation import SchemaViolation, problem


def encode_bytes(data: bytes) -> str:
    """Unpadded base64url (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_bytes(text: str) -> bytes:
    """The bytes of unpadded, canonical base64url.

    Raises:
        SchemaViolation: it is not that.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise _not_base64url() from error
    if encode_bytes(data) != text:
        raise _not_base64url()
    return data


def _not_base64url() -> SchemaViolation:
    return SchemaViolation(problem("wire.base64url", "value", "base64url"))


def _decoded(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return decode_bytes(value)
        except SchemaViolation as error:
            msg = "not unpadded base64url"
            raise ValueError(msg) from error
    return value


#: Bytes in Python, unpadded base64url in JSON.
WireBytes = Annotated[
    bytes,
    BeforeValidator(_decoded),
    PlainSerializer(encode_bytes, return_type=str, when_used="json"),
]


def _named(detail: Any) -> list[str]:
    """Where a member is that is not right; one that nobody defined has a name that was received."""
    steps = detail["loc"][:-1] if detail["type"] == "extra_forbidden" else detail["loc"]
    return [str(step)[:40] for step in steps]


class WireDocument(BaseModel):
    """A small JSON document of the exchange; members nobody defined are refused.

    Attributes:
        ABSENT_WHEN_NONE: members that are left out rather than null. A member that comes later is
            one of them, so that documents without it keep the bytes they always had.
    """

    ABSENT_WHEN_NONE: ClassVar[tuple[str, ...]] = ()

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_values(self) -> dict[str, Any]:
        """Its JSON values."""
        values = self.model_dump(mode="json")
        for name in self.ABSENT_WHEN_NONE:
            if values[name] is None:
                del values[name]
        return values

    def to_bytes(self) -> bytes:
        """Compact UTF-8 JSON."""
        return json.dumps(self.to_values(), ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes, *, max_bytes: int = 4_194_304) -> Self:
        """The document those bytes hold.

        Raises:
            SchemaViolation: they are not strict JSON of this form; no value is repeated.
        """
        return cls.from_values(read_json(data, max_bytes=max_bytes))

    @classmethod
    def from_values(cls, values: Any) -> Self:
        """The document those JSON values are.

        Raises:
            SchemaViolation: they are not of this form; no value is repeated.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            details = error.errors(include_input=False, include_url=False, include_context=False)
            raise SchemaViolation(
                [
                    problem(
                        "wire.member",
                        "structure",
                        ".".join([cls.__name__, *_named(detail)]),
                    )
                    for detail in details[:10]
                ]
            ) from None
