"""Bodies that somebody would send to make the exchange slow, large, loud or wrong.

Each is made when it is asked for: together they are a hundred megabytes.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

MEGABYTE = 1_048_576
LONG = MEGABYTE - 400
URN = "urn:uuid:00000000-0000-4000-8000-000000000001"
XHTML = '<div xmlns="http://www.w3.org/1999/xhtml">'


def body(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def patient(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **elements}


def observation(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **elements}


def bundle(entries: list[Any], kind: str = "collection") -> bytes:
    return body({"resourceType": "Bundle", "type": kind, "entry": entries})


def nested(depth: int, wrap: Callable[[Any], Any], innermost: Any) -> Any:
    for _ in range(depth):
        innermost = wrap(innermost)
    return innermost


def extensions(depth: int) -> bytes:
    inner = {"url": "u", "valueString": "x"}
    return body(patient(extension=[nested(depth, lambda x: {"url": "u", "extension": [x]}, inner)]))


def provisions(depth: int) -> bytes:
    tree = nested(depth, lambda inner: {"type": "permit", "provision": [inner]}, {"type": "permit"})
    code = {"text": "x"}
    return body(
        {
            "resourceType": "Consent",
            "status": "active",
            "scope": code,
            "category": [code],
            "policyRule": code,
            "provision": tree,
        }
    )


def assigners(depth: int) -> bytes:
    tree = nested(depth, lambda x: {"value": "x", "assigner": {"identifier": x}}, {"value": "x"})
    return body(patient(identifier=[tree]))


def contained(depth: int) -> bytes:
    return body(nested(depth, lambda inner: patient(id="p", contained=[inner]), patient(id="p")))


def parameters(depth: int) -> bytes:
    tree = nested(depth, lambda x: {"name": "x", "part": [x]}, {"name": "x", "valueString": "y"})
    return body({"resourceType": "Parameters", "parameter": [tree]})


def bundles(depth: int) -> bytes:
    wrap: Callable[[Any], Any] = lambda inner: {  # noqa: E731 - one expression, read once
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": inner}],
    }
    return body(nested(depth, wrap, patient()))


def chain(length: int, *, closed: bool) -> bytes:
    links = [
        {
            "resourceType": "Organization",
            "id": f"o{at}",
            "name": "x",
            **(
                {"partOf": {"reference": f"#o{(at + 1) % length}"}}
                if closed or at + 1 < length
                else {}
            ),
        }
        for at in range(length)
    ]
    return body(patient(contained=links, managingOrganization={"reference": "#o0"}))


def narrative(inside: str) -> bytes:
    return body(patient(text={"status": "generated", "div": f"{XHTML}{inside}</div>"}))


def laughs() -> bytes:
    entities = "".join(f'<!ENTITY l{at} "{f"&l{at - 1};" * 10}">' for at in range(1, 10))
    div = f'<!DOCTYPE div [<!ENTITY l0 "ha">{entities}]>{XHTML}&l9;</div>'
    return body(patient(text={"status": "generated", "div": div}))


def number(text: str) -> bytes:
    return body(observation(valueQuantity={"value": 0})).replace(
        b":0}", b":" + text.encode() + b"}"
    )


#: Refused, each with problems; never anything else.
REFUSED: Mapping[str, Callable[[], bytes]] = {
    "a hundred thousand arrays": lambda: b"[" * 100_000 + b"]" * 100_000,
    "a hundred thousand objects": lambda: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "brackets that never close": lambda: b"[" * LONG,
    "contained in contained": lambda: contained(3),
    "contained in contained to the limit": lambda: contained(31),
    "blanks": lambda: body(patient(name=[{"text": " " * LONG}])),
    "blanks and a control character": lambda: body(patient(name=[{"text": " " * LONG + "\x01"}])),
    "text and a control character": lambda: body(patient(name=[{"text": "x" * LONG + "\x01"}])),
    "base64 with garbage": lambda: body(patient(photo=[{"data": "A" * LONG + "!"}])),
    "base64 of blanks": lambda: body(patient(photo=[{"data": " " * LONG + "!"}])),
    "base64 of letters and blanks": lambda: body(
        patient(photo=[{"data": "A " * (LONG // 2) + "!"}])
    ),
    "a code of words": lambda: body(observation(language="a " * (LONG // 2))),
    "an object identifier without end": lambda: body(
        patient(extension=[{"url": "u", "valueOid": "urn:oid:1" + ".1" * (LONG // 2) + "."}])
    ),
    "a fraction of a second without end": lambda: body(
        observation(issued="2026-01-01T00:00:00." + "1" * LONG)
    ),
    "a hundred thousand elements and no text": lambda: narrative("<br/>" * 100_000),
    "elements that never close": lambda: narrative("<b>" * 200_000),
    "names of characters": lambda: narrative("&nbsp;" * 160_000),
    "ampersands": lambda: narrative("&a" * (LONG // 3)),
    "an unknown entity": lambda: narrative("&lol;"),
    "a billion laughs": laughs,
    "an external entity": lambda: body(
        patient(
            text={"status": "generated", "div": f'<!DOCTYPE d SYSTEM "file:///x">{XHTML}x</div>'}
        )
    ),
    "10,000 broken entries": lambda: bundle([{"resource": patient(x=1)}] * 10_000),
    "10,000 entries of one fullUrl": lambda: bundle(
        [{"fullUrl": URN, "resource": patient()}] * 9_000
    ),
    "an unknown resource type": lambda: body({"resourceType": "Passport"}),
    "contained resources of one id": lambda: body(
        patient(
            contained=[{"resourceType": "Organization", "id": "a", "name": name} for name in "xy"],
            managingOrganization={"reference": "#a"},
        )
    ),
    "a circle of one": lambda: chain(1, closed=True),
    "a circle of two": lambda: chain(2, closed=True),
    "a chain of 5,000, closed": lambda: chain(5_000, closed=True),
    "references to nowhere": lambda: bundle(
        [
            {
                "resource": patient(
                    managingOrganization={
                        "reference": f"urn:uuid:{at:08}-0000-4000-8000-000000000001"
                    }
                )
            }
            for at in range(5_000)
        ]
    ),
    "a local reference to nowhere": lambda: body(patient(managingOrganization={"reference": "#x"})),
    "half a surrogate pair, escaped": lambda: (
        b'{"resourceType":"Patient","name":[{"text":"\\ud800"}]}'
    ),
    "half a surrogate pair, raw": lambda: (
        b'{"resourceType":"Patient","name":[{"text":"\xed\xa0\x80"}]}'
    ),
    "a control character, raw": lambda: b'{"resourceType":"Patient","name":[{"text":"\x01"}]}',
    "a control character, escaped": lambda: (
        b'{"resourceType":"Patient","name":[{"text":"a\\u0001"}]}'
    ),
    "NUL, raw": lambda: b'{"resourceType":"Patient"}\x00',
    "NUL, escaped": lambda: b'{"resourceType":"Patient","name":[{"text":"a\\u0000"}]}',
    "5,000 digits": lambda: number("9" * 5_000),
    "a million digits": lambda: number("9" * LONG),
    "many long numbers": lambda: body(
        observation(component=[{"code": {"text": "x"}, "valueQuantity": {"value": 0}}] * 200)
    ).replace(b'"value":0', b'"value":' + b"9" * 4_300),
    "an exponent of nine digits": lambda: number("1e999999999"),
    "an exponent of twenty digits": lambda: number("1e99999999999999999999"),
    "a negative exponent of twenty digits": lambda: number("-1E-99999999999999999999"),
    "no number": lambda: number("NaN"),
    "two members of one name, deep": lambda: (
        b'{"resourceType":"Patient","contact":[{"name":{"text":"a","text":"b"}}]}'
    ),
    "a key of a megabyte": lambda: body(patient(**{"k" * LONG: 1})),
    "a hundred thousand keys": lambda: body(patient(**{f"{at:x}": 1 for at in range(100_000)})),
    "__proto__": lambda: body(patient(__proto__={"x": 1})),
    "an empty key": lambda: body(patient(**{"": 1})),
    "resourceType a list": lambda: body({"resourceType": ["Patient"]}),
    "resourceType a number": lambda: body({"resourceType": 1}),
    "resourceType null": lambda: body({"resourceType": None}),
    "resourceType an object, inside": lambda: bundle([{"resource": {"resourceType": {}}}]),
    "empty objects": lambda: body(patient(name=[{}] * 300_000)),
    "nulls": lambda: body(patient(contained=[None] * 200_000)),
}

#: Valid FHIR R4, however odd.
ACCEPTED: Mapping[str, Callable[[], bytes]] = {
    "text of a megabyte": lambda: body(patient(name=[{"text": "x" * LONG}])),
    "base64 of a megabyte": lambda: body(
        patient(photo=[{"data": "AAAA" * (LONG // 4), "contentType": "image/png"}])
    ),
    "a narrative of 100,000 elements": lambda: narrative("<b>x</b>" * 100_000),
    "a narrative 100,000 deep": lambda: narrative("<b>" * 100_000 + "x" + "</b>" * 100_000),
    "10,000 valid entries": lambda: bundle(
        [{"fullUrl": f"http://x/Patient/{at}", "resource": patient()} for at in range(10_000)]
    ),
    "a chain of 5,000": lambda: chain(5_000, closed=False),
    "Bundle in Bundle in Bundle": lambda: bundles(20),
}

#: Made to a depth; the JSON text of depth 64 is the deepest that is read.
DEPTHS: Mapping[str, Callable[[int], bytes]] = {
    "extensions": extensions,
    "provisions": provisions,
    "assigners": assigners,
    "parameters": parameters,
    "bundles": bundles,
}
