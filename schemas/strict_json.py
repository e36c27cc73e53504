"""Are these bytes one JSON value that every reader understands alike?

RFC 8259 leaves duplicate names, lone surrogates and huge numbers to each implementation, so two
systems could read one signed text differently. Here each of them is a violation (STANDARDS 0.1).
"""

import json
from array import array
from decimal import Decimal, InvalidOperation
from itertools import accumulate
from typing import Any, NoReturn, Self

from schemas.violation import SchemaViolation, problem

#: Numbers longer than this when written out are attacks, not measurements.
_MOST_DIGITS = 4_300

_ROOT = "$this"

#: Each bracket becomes the byte of its step in depth, +1 or -1; all but quotes and brackets goes.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NEITHER_QUOTE_NOR_BRACKET = bytes(set(range(256)) - set(b'"[]{}'))


class WrittenDecimal(Decimal):
    """A JSON number with a fraction or an exponent, and how it was written.

    FHIR gives meaning to precision: `0.40` is not `0.4`. Arithmetic returns a plain Decimal.

    Attributes:
        text: the number exactly as it stood in the JSON text.
    """

    __slots__ = ("text",)

    text: str

    def __new__(cls, text: str) -> Self:
        """Read a JSON number that `Decimal` can hold."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        """Copies and pickles keep the written form."""
        return type(self), (self.text,)


def read_json(data: bytes, *, max_bytes: int = 1_048_576, max_depth: int = 64) -> Any:
    """Return the one JSON value (RFC 8259) that these bytes are in UTF-8.

    Objects are dicts in the order sent, integers are int, other numbers are `WrittenDecimal`.

    Raises:
        SchemaViolation: the bytes are too many, not UTF-8, not JSON, nested deeper than
            `max_depth`, or ambiguous (duplicate names, lone surrogates, absurd numbers).
    """
    if len(data) > max_bytes:
        raise SchemaViolation(problem("json.too-long", "too-long", _ROOT, str(max_bytes)))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse("json.not-utf-8", str(error.start))
    if text.startswith("\ufeff"):
        _refuse("json.byte-order-mark")
    if not is_depth_within(data, max_depth):
        _refuse("json.too-deep", str(max_depth))
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        # `error.msg` is left out: some of its texts quote what was sent.
        _refuse("json.syntax", str(error.lineno), str(error.colno))
    if "\\u" in text:
        _require_whole_characters(value)
    return value


def _refuse(sentence: str, *words: str) -> NoReturn:
    raise SchemaViolation(problem(sentence, "structure", _ROOT, *words)) from None


def is_depth_within(data: bytes, max_depth: int) -> bool:
    """Whether the JSON text nests at most so deep; found out before a recursive parser sees it.

    Escaped backslashes and quotes go first, so that the quotes left open and close strings.
    Text that is not JSON may be miscounted only behind its first error, and the parser stops there.
    """
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    quotes_and_steps = data.translate(_STEPS, _NEITHER_QUOTE_NOR_BRACKET)
    steps = array("b", b"".join(quotes_and_steps.split(b'"')[::2]))
    return max(accumulate(steps), default=0) <= max_depth


def _require_whole_characters(value: Any) -> None:
    """An escaped surrogate without its partner is no character: UTF-8 cannot write it."""
    try:
        json.dumps(value, ensure_ascii=False, check_circular=False, default=str).encode("utf-8")
    except UnicodeEncodeError:
        _refuse("json.half-character")


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) != len(members):
        _refuse("json.member-twice")
    return value


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        _refuse("json.long-integer", str(_MOST_DIGITS))
    return int(text)


def _decimal(text: str) -> WrittenDecimal:
    if len(text) <= _MOST_DIGITS:
        try:
            number = WrittenDecimal(text)
        except InvalidOperation:
            pass
        else:
            # 1e999999999 fits a Decimal, but writing it out would take all memory.
            if number.is_finite() and abs(number.adjusted()) <= _MOST_DIGITS:
                return number
    _refuse("json.long-decimal", str(_MOST_DIGITS))


def _constant(_: str) -> NoReturn:
    _refuse("json.not-a-number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_decimal,
    parse_constant=_constant,
    strict=True,
)
