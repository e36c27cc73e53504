"""Countries by ISO 3166-1, of whose three codes alpha-2 stands for all inside.

EU certificates write alpha-2, WHO and ICAO alpha-3, some registries numbers.
"""

from functools import cache

from schemas.terminology.code_systems import read_pinned


def country_of(text: str) -> str | None:
    """The alpha-2 code of a country given as alpha-2, alpha-3 or numeric code; None otherwise.

    Codes are compared as ISO writes them: upper case, three digits. Names are not codes.
    """
    return _alpha_2().get(text)


def alpha_3_of(alpha_2: str) -> str:
    """The alpha-3 code, as WHO and ICAO write it.

    Raises:
        KeyError: it is no alpha-2 code of ISO 3166-1.
    """
    return _alpha_3()[alpha_2]


def is_travel_document_code(text: str) -> bool:
    """Whether the code is one that travel documents use for what is no country (ICAO Doc 9303).

    `UTO` is the specimen state, `XXA` a stateless person: valid in a passport, not as a country.
    """
    return text in _not_iso()


@cache
def _alpha_2() -> dict[str, str]:
    return {
        code: alpha_2
        for alpha_2, alpha_3, numeric in read_pinned("countries")["countries"]
        for code in (alpha_2, alpha_3, numeric)
    }


@cache
def _alpha_3() -> dict[str, str]:
    return {alpha_2: alpha_3 for alpha_2, alpha_3, _ in read_pinned("countries")["countries"]}


@cache
def _not_iso() -> frozenset[str]:
    return frozenset(read_pinned("countries")["not_iso"]["codes"])
