"""A page for people: one HTML document without scripts, pictures from elsewhere or any address.

It is built as a tree, so a text can never become markup. Texts that others chose (names of
participants, laws) are shown without invisible characters and each in its own direction, so that
none can rearrange what stands beside it.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as ET

from schemas.sentences.catalogue import say

Child = ET.Element | str | None

#: Sent with a page, and written into it for when it is opened from a file.
_POLICY: Final = (
    "default-src 'none'; style-src '{style}'; base-uri 'none'; form-action 'none'{framing}"
)


def element(tag: str, *children: Child, **attributes: str) -> ET.Element:
    """An element; `class_` is the attribute class, and None children are left out."""
    made = ET.Element(
        tag, {name.rstrip("_").replace("_", "-"): v for name, v in attributes.items()}
    )
    last: ET.Element | None = None
    for child in children:
        if isinstance(child, ET.Element):
            made.append(child)
            last = child
        elif child is not None:
            if last is None:
                made.text = (made.text or "") + child
            else:
                last.tail = (last.tail or "") + child
    return made


def foreign(text: str) -> ET.Element:
    """A text that others chose, isolated and without what cannot be seen."""
    shown = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
    return element("bdi", shown)


def document(*, title: str, language: str, style: str, body: Sequence[Child]) -> bytes:
    """The bytes of the page."""
    policy = content_security_policy(style, framing=False)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="robots", content="noindex, nofollow, noarchive"),
        ET.Element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        element("title", title),
        element("style", style),
    )
    page = element("html", head, element("body", *body), lang=language)
    text: bytes = ET.tostring(page, encoding="utf-8", method="html")
    return b"<!DOCTYPE html>\n" + text + b"\n"


def content_security_policy(style: str, *, framing: bool = True) -> str:
    """The policy that lets this style in and nothing else.

    Args:
        style: the text of the page's one style element.
        framing: whether to forbid framing, which a page cannot say of itself.
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _POLICY.format(
        style=f"sha256-{digest}", framing="; frame-ancestors 'none'" if framing else ""
    )


def day(time: datetime | str, language: str) -> str:
    """The date, as people write it, in UTC."""
    at = _utc(time)
    months = say("page.months", (), language).split(" ")
    return f"{at.day} {months[at.month - 1]} {at.year}"


def moment(time: datetime | str, language: str) -> str:
    """Date and time of day, UTC."""
    return f"{day(time, language)}, {_utc(time):%H:%M} UTC"


def _utc(time: datetime | str) -> datetime:
    at = datetime.fromisoformat(time) if isinstance(time, str) else time
    return at.astimezone(UTC)
