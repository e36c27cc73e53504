"""The lexical forms of FHIR R4 primitives in JSON (R4 4.0.1, datatypes.html, table of primitives).

Each primitive has one JSON kind and one regular expression, which both paths use. The expressions
are written for two engines at once (Python's `re` and the linear one of pydantic-core): no
look-around, no back-references, and ASCII classes where FHIR means ASCII. Python's engine tries
every way to match, so each expression has one: a refused megabyte costs what an accepted one does.
"""

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from schemas.structure.narrative import narrative_fault

JsonKind = Literal["string", "integer", "number", "boolean"]

#: What a string may hold: R4 allows no control characters but tab, line feed and carriage return.
_TEXT = r"[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F]"
#: White space as `\s` of R4's expressions; Unicode's other spaces count as text there.
_BLANK = r"[ \t\r\n]"
_YEAR = r"(?:[0-9](?:[0-9](?:[0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)"
_DAY = r"(?:0[1-9]|[12][0-9]|3[01])"
_MONTH = r"(?:0[1-9]|1[0-2])"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_DATE = rf"{_YEAR}(?:-{_MONTH}(?:-{_DAY})?)?"
_DATE_TIME = rf"{_YEAR}(?:-{_MONTH}(?:-{_DAY}(?:T{_CLOCK}{_ZONE})?)?)?"
_INSTANT = rf"{_YEAR}-{_MONTH}-{_DAY}T{_CLOCK}{_ZONE}"

#: R4: a string is at most 1 MiB; the whole message is bounded before.
_MOST_CHARACTERS: Final = 1_048_576
_INT32: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Primitive:
    """One primitive type.

    Attributes:
        kind: what it is in JSON.
        pattern: the whole value must match it; None for kinds without text.
        least: the smallest integer.
        most: the largest integer, or the most characters.
        is_sound: what the pattern cannot say, such as that February has 28 or 29 days.
    """

    kind: JsonKind
    pattern: str | None = None
    least: int | None = None
    most: int | None = None
    is_sound: Callable[[Any], bool] | None = None


def is_calendar_date(text: str) -> bool:
    """Whether the day exists in its month; the rest was matched before."""
    if len(text) < 10 or text[8:10] <= "28":
        return True
    return int(text[8:10]) <= calendar.monthrange(int(text[:4]), int(text[5:7]))[1]


def is_readable_decimal(number: Decimal | int) -> bool:
    """Whether readers that use doubles or 128-bit decimals can hold it (R4: 18 digits at least)."""
    return abs(Decimal(number).adjusted()) <= 300


def _text(pattern: str, most: int | None = None) -> Primitive:
    return Primitive(kind="string", pattern=pattern, most=most)


def _date(pattern: str) -> Primitive:
    return Primitive(kind="string", pattern=pattern, is_sound=is_calendar_date)


def _whole(least: int) -> Primitive:
    return Primitive(kind="integer", least=least, most=_INT32)


#: Blanks, something to read, anything: one way to match it, so that no text takes long to refuse.
_STRING = rf"(?:{_BLANK}*[^\x00-\x20\x7F]{_TEXT}*)"
_URI = r"[^\s\x00-\x1F\x7F]+"

PRIMITIVES: Final[dict[str, Primitive]] = {
    "boolean": Primitive(kind="boolean"),
    "integer": _whole(-_INT32 - 1),
    "unsignedInt": _whole(0),
    "positiveInt": _whole(1),
    "decimal": Primitive(kind="number", is_sound=is_readable_decimal),
    "string": _text(_STRING, _MOST_CHARACTERS),
    "markdown": _text(_STRING, _MOST_CHARACTERS),
    "code": _text(rf"[^\s\x00-\x1F\x7F]+(?:{_BLANK}[^\s\x00-\x1F\x7F]+)*"),
    "id": _text(r"[A-Za-z0-9\-.]{1,64}"),
    "uri": _text(_URI),
    "url": _text(_URI),
    "canonical": _text(_URI),
    "oid": _text(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+"),
    "uuid": _text(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    "base64Binary": Primitive(
        kind="string",
        pattern=rf"{_BLANK}*(?:(?:[0-9A-Za-z+/]{_BLANK}*){{4}})*"
        rf"(?:(?:[0-9A-Za-z+/]{_BLANK}*){{2,3}}={_BLANK}*|"
        rf"(?:[0-9A-Za-z+/]{_BLANK}*){{2}}={_BLANK}*={_BLANK}*)?",
        is_sound=lambda text: not text.isspace() and text != "",
    ),
    "date": _date(_DATE),
    "dateTime": _date(_DATE_TIME),
    "instant": _date(_INSTANT),
    "time": _text(_CLOCK),
    "xhtml": Primitive(kind="string", is_sound=lambda text: narrative_fault(text) is None),
}

_COMPILED: Final = {
    name: re.compile(primitive.pattern)
    for name, primitive in PRIMITIVES.items()
    if primitive.pattern
}


def has_form(name: str, value: Any) -> bool:
    """Whether a JSON value is of this primitive's form; `value` is as `strict_json` reads it."""
    primitive = PRIMITIVES[name]
    if primitive.kind == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if primitive.kind == "integer":
        return isinstance(value, int) and _is_between(value, primitive)
    if primitive.kind == "number":
        return isinstance(value, int | Decimal) and is_readable_decimal(value)
    return isinstance(value, str) and _matches(name, value, primitive)


def _is_between(value: int, primitive: Primitive) -> bool:
    least, most = primitive.least, primitive.most
    return (least is None or value >= least) and (most is None or value <= most)


def _matches(name: str, value: str, primitive: Primitive) -> bool:
    if primitive.most is not None and len(value) > primitive.most:
        return False
    if primitive.pattern is not None and _COMPILED[name].fullmatch(value) is None:
        return False
    return primitive.is_sound is None or primitive.is_sound(value)
