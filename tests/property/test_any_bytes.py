"""Any bytes, however they come, get a decision; nothing else ever comes out."""

import json
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.directory import Directory
from exchange.model import OpenedMessage, ReceivedMessage, Refused
from exchange.opening import MessageOpener
from exchange.subjects import SubjectVault
from exchange.validation import prepare
from tests.support.thoroughness import examples
from tests.support.world import ALA, NOON, OSS, consent, usual_cast, vaccination

# The first example would otherwise wait for it, longer than hypothesis lets one wait.
prepare()

CAST = usual_cast()
DIRECTORY = Directory.of(1, CAST.participants.values())
OPENER = MessageOpener(SubjectVault(bytes(32)), 20_000)
MESSAGE_ID, BODY = vaccination(consent())
TREE = json.loads(BODY)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def paths(value, path=()):
    yield path
    if isinstance(value, dict):
        for name, member in value.items():
            yield from paths(member, (*path, name))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from paths(member, (*path, index))


PATHS = [path for path in paths(TREE) if path]


def mutated(path, replacement, action):
    tree = json.loads(BODY)
    holder = tree
    for step in path[:-1]:
        holder = holder[step]
    if action == "drop":
        del holder[path[-1]]
    elif action == "wrap":
        holder[path[-1]] = [holder[path[-1]]]
    elif action == "add" and isinstance(holder, dict):
        holder["extra"] = replacement
    else:
        holder[path[-1]] = replacement
    return tree


def decide(received):
    decision = OPENER.open(received, DIRECTORY, NOON)

    assert isinstance(decision, OpenedMessage | Refused)
    if isinstance(decision, Refused):
        assert decision.problems
        assert all(one.text and one.expression for one in decision.problems)
    return decision


@given(body=st.binary(max_size=300), signature=st.none() | st.text(max_size=100))
def test_any_bytes_with_any_signature(body, signature):
    assert isinstance(decide(ReceivedMessage(body=body, signature=signature)), Refused)


@given(body=st.binary(max_size=300))
def test_any_signed_bytes(body):
    assert isinstance(decide(CAST.signed(ALA, body, message_id="m")), Refused)


@given(value=JSON_VALUES)
def test_any_signed_json(value):
    body = json.dumps(value).encode()

    assert isinstance(decide(CAST.signed(OSS, body, message_id="m")), Refused)


@settings(max_examples=examples(400), deadline=timedelta(seconds=2))
@given(
    path=st.sampled_from(PATHS),
    replacement=JSON_VALUES,
    action=st.sampled_from(["replace", "replace", "drop", "wrap", "add"]),
)
def test_any_mutation_of_a_good_message(path, replacement, action):
    body = json.dumps(mutated(path, replacement, action)).encode()

    decide(CAST.signed(ALA, body, message_id=MESSAGE_ID))


@settings(max_examples=examples(200), deadline=timedelta(seconds=2))
@given(path=st.sampled_from(PATHS))
def test_no_mutation_echoes_what_was_sent(path):
    secret = "Секрет-4711"
    body = json.dumps(mutated(path, {secret: secret}, "replace")).encode()
    decision = decide(CAST.signed(ALA, body, message_id=MESSAGE_ID))

    if isinstance(decision, Refused):
        assert "4711" not in str(decision.problems)
