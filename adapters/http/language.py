"""Which of our languages a caller reads best (RFC 9110 12.5.4, RFC 4647 3.3.1)."""

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from schemas.sentences.catalogue import LANGUAGES

_RANGE: Final = re.compile(
    r"\s*(\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?"
)
#: Nobody reads so many; what follows is not looked at.
_MOST_RANGES: Final = 32


def preferred_language(accept_language: str | None) -> str:
    """The language of ours with the highest quality, of equals the one named first; else English.

    Ranges name a language with or without a region (`ru-RU`), or any (`*`). A header that is not of
    the standard's form is as good as none.
    """
    if not accept_language:
        return LANGUAGES[0]
    asked: dict[str, float] = {}
    for text in accept_language.split(",")[:_MOST_RANGES]:
        if not text.strip():
            continue  # RFC 9110 5.6.1.2: an empty element says nothing
        found = _RANGE.fullmatch(text)
        if found is None:
            return LANGUAGES[0]
        language = found.group(1).partition("-")[0].lower()
        quality = float(found.group(2) or 1)
        asked[language] = max(quality, asked.get(language, 0.0))
    others = asked.get("*", 0.0)
    # Of equals max keeps the first it meets: those named, in their order, before those that may be.
    ours = [*(language for language in asked if language in LANGUAGES), *LANGUAGES]
    best = max(ours, key=lambda language: asked.get(language, others))
    return best if asked.get(best, others) > 0 else LANGUAGES[0]


def language_of(request: Request) -> str:
    """The language to answer this caller in."""
    return preferred_language(", ".join(request.headers.getlist("accept-language")))


def say_language(response: Response, language: str) -> None:
    """Say which language the answer is in, and that it depends on what was asked."""
    response.headers["Content-Language"] = language
    response.headers.append("Vary", "Accept-Language")
