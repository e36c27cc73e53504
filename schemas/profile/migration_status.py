"""Does a text say who may enter or stay, who is detained, what origin or faith someone has?

Such elements have no place in a health record that crosses a border: with them a vaccination post
becomes a checkpoint, and travellers stay away. The list is data, `migration_status.json`. It stops
what systems send by themselves, or people without a second thought; who hides a word on purpose
finds a place for it in any format.
"""

import json
import re
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import unquote

from pydantic_core import SchemaValidator, core_schema

from schemas.terminology.code_systems import canonical_system

_CAMEL_CASE: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")
_CONCEPTS: Final = re.compile(r"[A-Za-z0-9.-]+")
#: What may be this or that in a word of the list, and a letter that may be missing.
_VARIABLE: Final = re.compile(r"\(\?:[^)]*\)\??|\[[^\]]*\]|.\?")
#: ASCII, the usual letters with accents of Latin-1, and Cyrillic: only plain characters in UTF-8.
_PLAIN_BYTES: Final = bytes((*range(0xC0), 0xC3, *range(0xD0, 0xD4)))
#: Words of FHIR itself: to look for them would find them.
_IN_EVERY_MESSAGE: Final = frozenset({"permit", "route"})
#: Longer texts are not remembered: they are no names of things.
_LONGEST_NAME: Final = 200
#: Shorter codes mean too many things where no system says which.
_TELLING_CODE: Final = 5


def names_migration_status(text: str) -> bool:
    """Whether a URI, a code or the name of a concept says so, in any writing of its words."""
    return _names(text) if len(text) <= _LONGEST_NAME else tells_migration_status(text)


def tells_migration_status(text: str) -> bool:
    """Whether a word of the list stands in a text."""
    if not may_tell_migration_status(text.encode("utf-8", "surrogatepass")):
        return False
    plain = unicodedata.normalize("NFKC", unquote(text) if "%" in text else text)
    words = _BETWEEN_WORDS.sub("-", _CAMEL_CASE.sub("-", plain)).casefold()
    return _words().search(words) is not None


def may_tell_migration_status(text: bytes) -> bool:
    """Whether a word or system of the list could stand in this; quick, at times wrongly True.

    Searches by a machine that tries all words at once; it knows no writing but the plain one.

    Args:
        text: in UTF-8, of any length; JSON only when it has no escapes.
    """
    if b"%" in text or not _is_plain(text):
        return True
    latin, others, words = _quick_words()
    # Of all letters only the Latin ones are made small here: the rest would cost ten times as much.
    small = text.lower()
    found = latin.isinstance_python(small) or others.isinstance_python(small)
    return found and words.isinstance_python(small)


def _is_plain(text: bytes) -> bool:
    """Whether no character has another that NFKC puts in its place."""
    if not text.translate(None, _PLAIN_BYTES):
        return True
    try:
        return unicodedata.is_normalized("NFKC", text.decode())
    except UnicodeDecodeError:
        return False


def states_migration_status(system: str | None, code: str | None) -> bool:
    """Whether a coding is listed, whatever URI its system goes by.

    A code may be an expression of several concepts (SNOMED CT); each is looked at. Without a
    system a listed code still says what it says, unless it is too short to be of one list alone.
    """
    listed = _listed_codes()
    if system is None:
        return code is not None and any(
            len(one) >= _TELLING_CODE and one in codes
            for one in _CONCEPTS.findall(code)
            for codes in listed.values()
        )
    canonical = _canonical(system)
    if canonical in _listed()["systems"]:
        return True
    return not listed.get(canonical, frozenset()).isdisjoint(_CONCEPTS.findall(code or ""))


def may_be_listed(text: str) -> bool:
    """Whether a code or system is worth a second look, wherever it stands; quick."""
    return _may_be_listed(text) if len(text) <= _LONGEST_NAME else True


@lru_cache(maxsize=8_192)
def _names(text: str) -> bool:
    return text in _listed()["extensions"] or tells_migration_status(text)


@lru_cache(maxsize=8_192)
def _may_be_listed(text: str) -> bool:
    if _names(text) or _canonical(text) in _listed()["systems"]:
        return True
    listed = _listed_codes().values()
    return any(one in codes for one in _CONCEPTS.findall(text) for codes in listed)


def _canonical(system: str) -> str:
    """The URI under which the list has a system."""
    known = canonical_system(system) or _listed()["aliases"].get(system)
    if known is not None:
        return str(known)
    # SNOMED CT of one edition and version is written below its own URI.
    for listed in _listed()["codes"]:
        if system.startswith(f"{listed}/"):
            return str(listed)
    return system.replace("https://", "http://", 1)


@cache
def _listed_codes() -> dict[str, frozenset[str]]:
    return {system: frozenset(group["codes"]) for system, group in _listed()["codes"].items()}


@cache
def _listed() -> dict[str, Any]:
    text = files("schemas.profile").joinpath("migration_status.json").read_text(encoding="utf-8")
    listed: dict[str, Any] = json.loads(text)
    return listed


@cache
def _words() -> re.Pattern[str]:
    words = _listed()["words"]
    whole = "|".join(words["whole"])
    return re.compile(rf"{'|'.join(_stems())}|(?<![^\W\d])(?:{whole})(?![^\W\d])")


@cache
def _quick_words() -> tuple[SchemaValidator, SchemaValidator, SchemaValidator]:
    """What finds letters of each word, Latin and others; and what finds all that `_words` does.

    The last finds more than that, for it sees the text before it was made plain.
    """
    whole = _listed()["words"]["whole"]
    systems = [*_listed()["systems"], *_listed()["aliases"]]
    fragments = {one for word in (*_stems(), *whole) for one in _fragments_of(word)}
    latin = [word for word in whole if word.isascii()]
    # Only Latin letters have words inside that begin with a capital.
    others = "|".join(word for word in whole if not word.isascii())
    stems = [stem.replace("-?", r"[^\p{L}\p{N}]*") for stem in _stems()]
    named = [*map(re.escape, systems)]
    words = (*stems, *latin, *named, rf"(?:^|[^\p{{L}}])(?:{others})(?:$|[^\p{{L}}])")
    return (
        _finding(*(one for one in fragments if one.isascii()), *map(str.lower, named)),
        _finding(*(one for one in fragments if not one.isascii()), flags="(?i)"),
        _finding(*words, flags="(?i)"),
    )


def _finding(*patterns: str, flags: str = "") -> SchemaValidator:
    """Valid is a text in which one of the patterns is found."""
    # Not strict, it takes bytes in UTF-8 and makes no text of them.
    return SchemaValidator(core_schema.str_schema(pattern=flags + "|".join(sorted(patterns))))


def _fragments_of(pattern: str) -> list[str]:
    """Letters that stand in whatever a word of the list matches: one of these at least."""
    plain = [one for one in _VARIABLE.sub(" ", pattern).split() if one not in _IN_EVERY_MESSAGE]
    if plain:
        return [max(plain, key=len)]
    return pattern[pattern.index("(?:") + 3 : pattern.index(")")].split("|")


def _stems() -> list[str]:
    return [stem for language in _listed()["words"]["stems"].values() for stem in language]
