"""The slip on paper, its QR code as a picture, and the page that says a slip opens nothing."""

import io
from datetime import datetime
from typing import Final, Literal
from xml.etree import ElementTree as ET

import segno

from adapters.pages.document import day, document, element
from adapters.pages.report_page import top
from adapters.pages.style import SLIP_STYLE, STYLE
from schemas.sentences.catalogue import say

#: Pictures that a QR code can be saved as.
Picture = Literal["png", "svg"]

#: Dots of a PNG for each square of the code: sharp in print at a few centimetres.
_PNG_SCALE: Final = 12


def slip_page(url: str, expires_at: datetime, language: str) -> bytes:
    """One sheet with the code, the address and what it is for."""
    title = say("slip.title", (), language)
    words = element(
        "div",
        element("p", say("slip.how", (), language)),
        element("p", say("slip.shows", (), language)),
        element("p", element("b", say("slip.valid", (day(expires_at, language),), language))),
    )
    return document(
        title=title,
        language=language,
        style=SLIP_STYLE,
        body=[
            element(
                "main",
                top(language),
                element("h1", title),
                element("div", _code(url), words, class_="pair"),
                element("p", element("code", url), class_="address"),
                element("p", say("slip.keep", (), language)),
                element("p", say("slip.again", (), language), class_="soft"),
                class_="slip",
            )
        ],
    )


def slip_picture(url: str, kind: Picture) -> bytes:
    """The code alone, with the quiet border that readers need."""
    out = io.BytesIO()
    if kind == "png":
        _qr(url).save(out, kind="png", scale=_PNG_SCALE)
    else:
        _qr(url).save(out, kind="svg", scale=_PNG_SCALE, xmldecl=True)
    return out.getvalue()


def slip_on_terminal(url: str) -> str:
    """The code in characters of a terminal."""
    out = io.StringIO()
    _qr(url).terminal(out, compact=True)
    return out.getvalue()


def opens_nothing_page(language: str) -> bytes:
    """The same page whether a slip is unknown, too old or its records were erased."""
    return _notice("slip.none-title", "slip.none", language)


def later_page(language: str) -> bytes:
    """To whoever tried too often."""
    return _notice("slip.later-title", "slip.later", language)


def _notice(title: str, text: str, language: str) -> bytes:
    return document(
        title=say(title, (), language),
        language=language,
        style=STYLE,
        body=[
            top(language, switch=True),
            element("h1", say(title, (), language)),
            element("p", say(text, (), language)),
        ],
    )


def _qr(url: str) -> segno.QRCode:
    # A quarter of the code may be creased or stained.
    return segno.make_qr(url, error="q")


def _code(url: str) -> ET.Element:
    drawn = _qr(url).svg_inline(scale=1, omitsize=True)
    return ET.fromstring(drawn)  # noqa: S314 - drawn by us
