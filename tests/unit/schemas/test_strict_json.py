"""Strict JSON: what one reader could understand otherwise than another is refused."""

import copy
import pickle
from decimal import Decimal

import pytest

from schemas.strict_json import WrittenDecimal, read_json
from schemas.violation import SchemaViolation


def test_reads_every_kind_of_value():
    assert read_json(b' {"a": [1, -2, true, false, null, "\xd0\x96", {}]} ') == {
        "a": [1, -2, True, False, None, "Ж", {}]
    }


@pytest.mark.parametrize(
    "text", ["0.40", "1e2", "1E+2", "66.899999999999991", "-0.0", "0.1", "1.000000000000000000001"]
)
def test_decimals_keep_the_written_text(text):
    number = read_json(f"[{text}]".encode())[0]
    assert isinstance(number, WrittenDecimal)
    assert number.text == text
    assert number == Decimal(text)


def test_written_text_survives_copying():
    number = WrittenDecimal("1e2")
    assert copy.deepcopy(number).text == "1e2"
    assert pickle.loads(pickle.dumps(number)).text == "1e2"  # noqa: S301 - our own bytes


def test_integers_are_int_however_long_a_measurement_may_be():
    value = read_json(b"9007199254740993")
    assert type(value) is int
    assert value == 9007199254740993


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"a": 1, "a": 1}', id="duplicate-name"),
        pytest.param(b'{"a": 1, "\\u0061": 2}', id="duplicate-name-in-escapes"),
        pytest.param(b'[{"x": {"a": 1, "b": 2, "a": 3}}]', id="duplicate-name-inside"),
        pytest.param(b"NaN", id="nan"),
        pytest.param(b"[Infinity]", id="infinity"),
        pytest.param(b"[-Infinity]", id="minus-infinity"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte-order-mark"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="utf-16"),
        pytest.param('{"a": 1}'.encode("utf-16-le"), id="utf-16-without-mark"),
        pytest.param(b'"\xe9"', id="latin-1"),
        pytest.param(b'"\xed\xa0\x80"', id="surrogate-in-utf-8"),
        pytest.param(b'"\xc0\xaf"', id="overlong-utf-8"),
        pytest.param(b'"\\ud800"', id="lone-high-surrogate"),
        pytest.param(b'"\\udc00\\ud800"', id="surrogates-swapped"),
        pytest.param(b'{"\\uD800": 1}', id="lone-surrogate-in-name"),
        pytest.param(b'[[{"a": ["\\\\\\udfff"]}]]', id="lone-surrogate-inside"),
        pytest.param(b'"a\nb"', id="control-character"),
        pytest.param(b"[1,]", id="trailing-comma"),
        pytest.param(b"{} {}", id="two-values"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"1" * 4301, id="integer-of-4301-digits"),
        pytest.param(b"-" + b"1" * 900_000, id="integer-of-900000-digits"),
        pytest.param(b"1." + b"1" * 900_000, id="fraction-of-900000-digits"),
        pytest.param(b"1e999999999999999999999999", id="exponent-no-decimal-holds"),
        pytest.param(b"1e-999999999999999999999999", id="negative-exponent-no-decimal-holds"),
        pytest.param(b"1e999999999", id="exponent-that-would-fill-memory"),
        pytest.param(b"0e999999999", id="zero-with-huge-exponent"),
    ],
)
def test_refuses(data):
    with pytest.raises(SchemaViolation) as caught:
        read_json(data)
    assert [problem.code for problem in caught.value.problems] == ["structure"]


def test_whole_surrogate_pair_and_escaped_backslash_are_accepted():
    assert read_json(rb'["\ud83d\ude00", "\\ud800", 1.5]') == ["😀", r"\ud800", Decimal("1.5")]


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"]":', "}]")])
def test_depth_of_64_levels_is_the_most(opening, closing):
    levels = 64 // (opening.count("[") + opening.count("{"))
    innermost = "1"
    read_json((opening * levels + innermost + closing * levels).encode())
    with pytest.raises(SchemaViolation, match="64 levels"):
        read_json((opening * levels + "[1]" + closing * levels).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 500_000,
        b"[" * 500_000 + b"]" * 500_000,
        b'{"a":' * 200_000,
        b'["\\\\",' * 100_000,
        b'["\\"",' * 100_000,
        b"]" * 1_000 + b"[" * 500_000,
    ],
    ids=["open", "closed", "objects", "behind-backslash", "behind-quote", "after-closing"],
)
def test_depth_bombs_are_refused(data):
    with pytest.raises(SchemaViolation):
        read_json(data)


def test_brackets_in_strings_are_not_depth():
    text = "[" * 1_000 + r"\"" + "{" * 1_000 + "\\\\"
    assert read_json(f'["{text}"]'.encode()) == ["[" * 1_000 + '"' + "{" * 1_000 + "\\"]


def test_quote_behind_an_escaped_backslash_closes_its_string():
    inner = "[" * 100
    assert read_json(rb'["\\", "' + inner.encode() + b'"]') == ["\\", inner]


def test_byte_order_mark_is_named():
    with pytest.raises(SchemaViolation, match="byte order mark"):
        read_json(b"\xef\xbb\xbf{}")


def test_many_siblings_are_not_depth():
    assert len(read_json(b"[" + b"[]," * 10_000 + b"{}]")) == 10_001


def test_size_is_bounded():
    read_json(b'"12345678"', max_bytes=10)
    with pytest.raises(SchemaViolation) as caught:
        read_json(b'"123456789"', max_bytes=10)
    assert caught.value.problems[0].code == "too-long"


@pytest.mark.parametrize(
    "data",
    [
        b'{"Aigerim": 1, "Aigerim": 2}',
        b'{"a": Aigerim}',
        b'["Aigerim\\ud800"]',
        b'["Aigerim\\x"]',
        b'["Aigerim\xff"]',
        b'["Aigerim',
    ],
)
def test_problems_never_echo_what_was_sent(data):
    with pytest.raises(SchemaViolation) as caught:
        read_json(data)
    problem = caught.value.problems[0]
    assert "Aigerim" not in f"{caught.value} {problem.expression} {problem.text}"
    assert caught.value.__suppress_context__
