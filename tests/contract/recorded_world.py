"""What the exchange records, made by the exchange's own recording: the stores' test data."""

import hashlib
import itertools
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchange.facts import Facts
from exchange.model import (
    Accepted,
    ConsentBasis,
    Entitlement,
    MessageIdentity,
    OpenedMessage,
    ReceivedMessage,
    Refused,
)
from exchange.record_versions import records_among
from exchange.recording import Recording
from exchange.subjects import SubjectVault
from exchange.trail.checkpoint import NoteSigner
from schemas.consent.rule import Rule
from schemas.consent.statement import ConsentStatement
from schemas.fhir_message import FhirMessage
from schemas.violation import Problem

ORIGIN = "exchange.example/trail"
NOW = datetime(2026, 3, 1, 8, 30, 0, 123_000, tzinfo=UTC)
SIGNER = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
VAULT = SubjectVault(bytes(range(32)))
REGISTRIES = ("registry:kz", "registry:tj")
WINDOWS = dict.fromkeys(REGISTRIES, 1000)
JURISDICTIONS = {
    "poe:kz:ala": "KZ",
    "poe:kg:oss": "KG",
    **dict(zip(REGISTRIES, ("KZ", "TJ"), strict=True)),
}

_ids = itertools.count(1)


def consent(identity="|c-1", *, given_at=NOW, permits=True, recipients=REGISTRIES, period=None):
    return ConsentStatement(
        identity=identity,
        status="active",
        given_at=given_at,
        root=Rule(
            type="permit" if permits else "deny",
            period=period,
            actors=tuple(("participant", one) for one in recipients),
        ),
    )


def message(
    *documents,
    consents=(),
    message_id=None,
    publisher="poe:kz:ala",
    body=b"{}",
    record=None,
    version_at=None,
):
    """An opened message about the traveller with these documents (`system|value`)."""
    message_id = message_id or f"m-{next(_ids)}"
    return OpenedMessage(
        received=ReceivedMessage(body=body, signature="e30..c2ln", authenticated_as=publisher),
        identity=MessageIdentity(publisher, message_id),
        digest=VAULT.digest_of(body, message_id.encode()),
        key_id="k-1",
        jurisdiction="KZ",
        message=FhirMessage(
            message_id=message_id,
            event="immunization-published",
            kind="immunization",
            destinations=(),
            patient_identifiers=(),
            consents=tuple(consents),
            version_at=version_at,
        ),
        subject_tokens=VAULT.tokens_of(document.split("|") for document in documents),
        record=record,
    )


def refused(message_id="m-refused", *, text="Give it.", reason="invalid-record"):
    return Refused(
        identity=MessageIdentity("poe:kz:ala", message_id),
        digest=hashlib.sha256(message_id.encode()).digest(),
        received=ReceivedMessage(body=b"?", signature=None),
        at=NOW,
        reason=reason,
        problems=(Problem("required", "Bundle.entry[0]", text), Problem("value", "", "Ā🙂")),
    )


def accepted(opened, registries=REGISTRIES):
    """Entitled by the consent that the message itself brings."""
    own = ConsentBasis(consent="", entry=-1)
    return Accepted(
        opened=opened,
        at=NOW,
        entitlements=tuple(Entitlement(one, "PUBHLTH", own) for one in registries),
    )


async def facts_for(trail, messages, registries=REGISTRIES):
    return await trail.facts_about(
        identities=[one.identity for one in messages],
        tokens=[token for one in messages for token in one.subject_tokens],
        subscribers=registries,
        records=records_among(messages),
    )


def recording_on(trail, facts, *, windows=None, now=NOW):
    return Recording(
        head=trail.head,
        facts=facts if facts is not None else Facts(),
        windows=dict(windows or WINDOWS),
        jurisdictions=JURISDICTIONS,
        origin=ORIGIN,
        now=now,
    )


async def accept(store, *messages, refusals=(), windows=None, now=NOW, registries=REGISTRIES):
    """Accept the messages, and refuse the refusals, in one committed batch; return the batch."""
    async with store.locked() as trail:
        recording = recording_on(trail, await facts_for(trail, messages), windows=windows, now=now)
        for opened in messages:
            recording.accept(accepted(opened, registries), VAULT)
        for refusal in refusals:
            recording.refuse(refusal)
        batch = recording.close(SIGNER)
        await trail.save(batch)
        await trail.commit()
    return batch


async def let_out(store, subscriber, limit, *, now=NOW + timedelta(minutes=1)):
    """Let out what waits, as the relay does; return the batch."""
    async with store.locked() as trail:
        facts = await trail.facts_about(subscribers=[subscriber])
        waiting = await trail.waiting(subscriber, limit)
        known = await trail.facts_about(
            subject_ids=[one.subject_id for one in waiting], records=records_among(waiting)
        )
        facts.consents, facts.versions = known.consents, known.versions
        recording = recording_on(trail, facts, now=now)
        for pending in waiting:
            recording.let_out(pending)
        batch = recording.close(SIGNER)
        await trail.save(batch)
        await trail.commit()
    return batch


async def acknowledge(store, subscriber, delivery_ids, *, digest, body=b"{}"):
    """Acknowledge the deliveries in one committed batch; return the batch."""
    signed = ReceivedMessage(body=body, signature="e30..YWNr")
    async with store.locked() as trail:
        facts = await trail.facts_about(subscribers=[subscriber])
        recording = recording_on(trail, facts)
        recording.acknowledge(subscriber, list(delivery_ids), signed, digest)
        batch = recording.close(SIGNER)
        await trail.save(batch)
        await trail.commit()
    return batch
