"""The sentence of a problem, in the reader's language.

Each `*.json` file beside this module holds the sentences of one area: key → language → template. A
template's `{0}`, `{1}` … are words of standards or of our own contract, such as the name of an
element or the codes it may have; what was received is never one of them.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Final

#: ISO 639-1; the first is spoken when no other is asked for.
LANGUAGES: Final = ("en", "ru")


def say(key: str, words: Sequence[str] = (), language: str = LANGUAGES[0]) -> str:
    """The sentence with its words in place; English when the language is not one of ours.

    Raises:
        KeyError: no such sentence.
    """
    sentence = _sentences()[key]
    return sentence.get(language, sentence[LANGUAGES[0]]).format(*words)


def sentence_keys() -> tuple[str, ...]:
    """Every key, in order."""
    return tuple(sorted(_sentences()))


def template(key: str, language: str) -> str:
    """A sentence before its words are put in.

    Raises:
        KeyError: no such sentence, or not in this language.
    """
    return _sentences()[key][language]


@cache
def _sentences() -> Mapping[str, Mapping[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for file in files("schemas.sentences").iterdir():
        if file.name.endswith(".json"):
            for key, sentence in json.loads(file.read_text(encoding="utf-8")).items():
                if key in found:
                    msg = f"two sentences are called {key}"
                    raise ValueError(msg)
                found[key] = sentence
    return found
