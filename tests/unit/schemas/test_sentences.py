"""Every sentence that people are told exists in every language we speak, and is used."""

import ast
import re
from pathlib import Path

import pytest

from schemas.sentences.catalogue import LANGUAGES, say, sentence_keys, template

PROJECT = Path(__file__).resolve().parents[3]
SOURCES = [
    file
    for folder in ("schemas", "exchange", "adapters")
    for file in (PROJECT / folder).rglob("*.py")
]
#: Named like sentences, and something else.
LOG_EVENTS = {"message.decided"}
#: A place in a template.
PLACE = re.compile(r"\{(\d+)\}")


def texts_in_code():
    """Every text in the code, with parts of f-strings joined by a mark."""
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "*"
                    for part in node.values
                )


TEXTS = set(texts_in_code())
PATTERNS = [
    re.compile(re.escape(text).replace(r"\*", ".+"))
    for text in TEXTS
    if re.fullmatch(r"[a-z][a-z-]*\.\*|[a-z][a-z-]*\.[a-z-]*\*", text)
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", sentence_keys())
def test_every_sentence_stands_in_every_language(key, language):
    sentence = template(key, language)

    assert sentence.strip() == sentence != ""
    assert set(PLACE.findall(sentence)) == set(PLACE.findall(template(key, LANGUAGES[0])))
    has_cyrillic = re.search("[А-Яа-яЁё]", sentence) is not None
    assert has_cyrillic == (language == "ru")


@pytest.mark.parametrize("key", sentence_keys())
def test_every_sentence_is_used(key):
    assert key in TEXTS or any(pattern.fullmatch(key) for pattern in PATTERNS)


def test_every_key_in_the_code_is_a_sentence():
    areas = {key.partition(".")[0] for key in sentence_keys()}
    named = re.compile(rf"(?:{'|'.join(sorted(areas))})\.[a-z0-9-]+")
    files = {file.name for file in (PROJECT / "schemas" / "sentences").iterdir()}
    modules = {".".join(file.relative_to(PROJECT).with_suffix("").parts) for file in SOURCES}
    unknown = {
        text
        for text in TEXTS
        if named.fullmatch(text)
        and text not in sentence_keys()
        and text not in files
        and not any(module.endswith(text) for module in modules)
    }

    assert unknown - LOG_EVENTS == set()


def test_another_language_is_answered_in_english():
    assert say("structure.null", language="kk") == say("structure.null")
