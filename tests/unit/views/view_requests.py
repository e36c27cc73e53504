"""Render a view of a test's message, for a recipient under a fixed key."""

import json
from datetime import UTC, datetime

from exchange.subjects import SubjectVault
from exchange.views.render import ViewRequest, render, view_message_id

VAULT = SubjectVault(bytes(range(32)))
AT = datetime(2026, 6, 1, 12, 34, 56, 789000, tzinfo=UTC)
AUTHOR, EXCHANGE = "poe:kz:ala", "exchange:cis"


def request_for(recipient="registry:kz", **changed):
    usual = {
        "author": AUTHOR,
        "recipient": recipient,
        "purpose": "PUBHLTH",
        "exchange": EXCHANGE,
        "subject_id": "0123456789abcdef0123456789abcdef",
        "pseudonyms": VAULT.pseudonyms_for(recipient),
        "message_id": view_message_id(f"delivery to {recipient}"),
        "original_digest": "ORIGINALDIGEST",
        "at": AT,
    }
    return ViewRequest(**(usual | changed))


def shown(view, bundle, recipient="registry:kz", **changed):
    return json.loads(render(view, bundle, request_for(recipient, **changed)))


def resources(bundle, kind=None):
    found = [entry["resource"] for entry in bundle["entry"]]
    return [one for one in found if kind is None or one["resourceType"] == kind]


def only(bundle, kind):
    (one,) = resources(bundle, kind)
    return one


def leaves(value, path=""):
    """`(path without positions, leaf)` of everything in a resource or Bundle."""
    if isinstance(value, dict):
        if "resourceType" in value:
            path = value["resourceType"]
        for name, inner in value.items():
            if name != "resourceType":
                yield from leaves(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield path, value
