"""Is this a FHIR R4 narrative: harmless XHTML with something to read in it?

R4 4.0.1 narrative.html: txt-1 lists the elements and attributes a narrative may use. Everything
else, such as script, forms, frames and references to styles of other documents, is what an attacker
would want there.
"""

import html.entities
import re
from typing import Final, Literal
from xml.parsers import expat

Fault = Literal["not-xml", "not-a-div", "forbidden", "empty"]

_XHTML: Final = "http://www.w3.org/1999/xhtml"

#: HTML 4.0 chapters 7 to 11 (without section 4 of chapter 9) and 15, `a`, `img`.
_ELEMENTS: Final = frozenset(
    """
    a abbr acronym address b bdo big blockquote br caption center cite code col colgroup dd del dfn
    div dl dt em font h1 h2 h3 h4 h5 h6 hr i img ins kbd li ol p pre q s samp small span strike
    strong sub sup table tbody td tfoot th thead tr tt u ul var
    """.split()  # noqa: SIM905 - a hundred quoted words would be harder to read
)
_ATTRIBUTES: Final = frozenset(
    """
    abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char
    charoff charset cite class clear color colspan compact coords datetime dir face frame headers
    height href hreflang hspace id lang longdesc name noshade nowrap rel rev rowspan rules scope
    shape size span src start style summary tabindex title type usemap valign value vspace width
    xml:lang xml:space
    """.split()  # noqa: SIM905 - as above
)
_SAFE_LINK: Final = re.compile(r"(?!(?:javascript|vbscript):)", re.IGNORECASE)
_ENTITY: Final = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_XML_ENTITIES: Final = frozenset({"lt", "gt", "amp", "quot", "apos"})


def narrative_fault(div: str) -> Fault | None:
    """What is wrong with a `Narrative.div`, or None when it may be shown to people."""
    if "<!DOCTYPE" in div or "<!ENTITY" in div or "<![CDATA[" in div:
        return "forbidden"
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True  # a call for each run of text, not for each character's name in it
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.ProcessingInstructionHandler = reader.instruction
    try:
        parser.Parse(_ENTITY.sub(_character, div), True)
    except (expat.ExpatError, ValueError):
        return reader.fault or "not-xml"
    return reader.fault or (None if reader.has_content else "empty")


def _character(match: re.Match[str]) -> str:
    """HTML's names of characters are allowed in a narrative; XML itself knows five."""
    name = match.group(1)
    if name in _XML_ENTITIES or name not in html.entities.name2codepoint:
        return match.group(0)
    return f"&#{html.entities.name2codepoint[name]};"


class _Reader:
    """Follows the parser; remembers the first fault and whether there is anything to read."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self.has_content = False
        self._depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        if self._depth == 0 and (local != "div" or namespace != _XHTML):
            self._find("not-a-div")
        elif namespace != _XHTML or local not in _ELEMENTS or _has_forbidden(attributes):
            self._find("forbidden")
        if local == "img":
            self.has_content = True
        self._depth += 1

    def end(self, _: str) -> None:
        self._depth -= 1

    def text(self, data: str) -> None:
        if not data.isspace():
            self.has_content = True

    def instruction(self, _: str, __: str) -> None:
        self._find("forbidden")

    def _find(self, fault: Fault) -> None:
        self.fault = self.fault or fault


def _has_forbidden(attributes: dict[str, str]) -> bool:
    for name, value in attributes.items():
        plain = name.replace("http://www.w3.org/XML/1998/namespace ", "xml:")
        if plain not in _ATTRIBUTES:
            return True
        if plain in {"href", "src"} and not _SAFE_LINK.match(value.strip()):
            return True
    return False
