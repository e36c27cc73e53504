"""Travellers as the exchange knows them: a random id, tokens that find it, a key that can die.

Document identifiers become HMAC tokens under the exchange's key; tokens lead to a random subject
id; bodies are encrypted under that subject's key. Destroying the key and the mapping erases the
traveller while the trail, which holds only salted commitments, still verifies (DESIGN section 4).
"""

import hashlib
import hmac
import json
import os
import unicodedata
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)

from exchange.errors import ConfigurationError, IntegrityBroken
from exchange.model import ParticipantId, SealedBody, Subject, SubjectId
from schemas.record_traits import RecordTraits
from schemas.wire_json import encode_bytes

MASTER_KEY_BYTES = 32
_NONCE_BYTES = 12
#: What sealed traits are bound to, so that they are never taken for a body.
_TRAITS = b"record traits"
_APART = b"dead letter"


class SubjectVault:
    """Tokens, subject keys and sealed bodies under one master key; safe to share between tasks."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != MASTER_KEY_BYTES:
            msg = f"The store's master key must be {MASTER_KEY_BYTES} bytes."
            raise ConfigurationError(msg)
        self._wrapping_key = _derived(master_key, b"bhx subject key wrapping v1")
        self._token_key = _derived(master_key, b"bhx subject tokens v1")
        self._digest_key = _derived(master_key, b"bhx received digests v1")
        self._apart_key = _derived(master_key, b"bhx dead letters v1")
        self._pseudonym_key = _derived(master_key, b"bhx recipient pseudonyms v1")

    def tokens_of(self, identifiers: Iterable[tuple[str, str]]) -> tuple[bytes, ...]:
        """One 32-byte HMAC-SHA-256 token for each document, whatever its spelling.

        NFKC, case folding, and without spaces, hyphens, dots and slashes: the same passport typed
        twice is one traveller.
        """
        return tuple(
            dict.fromkeys(
                _hmac(self._token_key, f"{system}\x00{_normalised(value)}".encode())
                for system, value in identifiers
                if _normalised(value)
            )
        )

    def digest_of(self, *parts: bytes) -> bytes:
        """Keyed 32-byte digest of received bytes: equal bytes, equal digest; useless to others."""
        framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return _hmac(self._digest_key, framed)

    def pseudonyms_for(self, recipient: ParticipantId) -> "RecipientPseudonyms":
        """The names by which one recipient knows things; no other recipient's are like them."""
        return RecipientPseudonyms(_hmac(self._pseudonym_key, recipient.encode()))

    def pseudonym_for(self, recipient: ParticipantId, subject_id: SubjectId) -> str:
        """The traveller's pseudonym at this recipient: always the same there, and only there."""
        return self.pseudonyms_for(recipient).of("traveller", subject_id)

    def record_digest(self, publisher: str, record: str) -> bytes:
        """The record that this is; another publisher's same identifier is another record."""
        return self.digest_of(b"record", publisher.encode(), record.encode())

    def seal_apart(self, data: bytes) -> bytes:
        """Bytes about whom nobody knows, under a key of the exchange: nonce and ciphertext."""
        return _sealed(AESGCM(self._apart_key), data, _APART)

    def open_apart(self, ciphertext: bytes) -> bytes:
        """What was sealed apart.

        Raises:
            IntegrityBroken: it was not sealed under this exchange's key, or it was changed.
        """
        try:
            return AESGCM(self._apart_key).decrypt(
                ciphertext[:_NONCE_BYTES], ciphertext[_NONCE_BYTES:], _APART
            )
        except (InvalidTag, ValueError) as error:
            msg = "A sealed dead letter does not open under this exchange's key."
            raise IntegrityBroken(msg) from error

    def new_subject(self) -> Subject:
        """A traveller nobody knew, with a key of their own."""
        return Subject(
            subject_id=os.urandom(16).hex(),
            wrapped_key=aes_key_wrap(self._wrapping_key, AESGCM.generate_key(256)),
        )

    def seal(
        self, subject: Subject, body: bytes, signature: str, traits: RecordTraits | None = None
    ) -> SealedBody:
        """The body under the subject's key (AES-256-GCM, random nonce before the ciphertext)."""
        cipher = self._cipher(subject)
        sealed_traits = None
        if traits is not None:
            sealed_traits = _sealed(cipher, traits.canonical_text.encode(), _TRAITS)
        return SealedBody(
            subject_id=subject.subject_id,
            ciphertext=_sealed(cipher, body, signature.encode()),
            signature=signature,
            traits=sealed_traits,
        )

    def traits_of(self, subject: Subject, sealed: SealedBody) -> RecordTraits | None:
        """What was sealed beside the body to decide on, if anything was.

        Raises:
            IntegrityBroken: the stored bytes or the key are not those that were written.
        """
        if sealed.traits is None:
            return None
        nonce, ciphertext = sealed.traits[:_NONCE_BYTES], sealed.traits[_NONCE_BYTES:]
        try:
            text = self._cipher(subject).decrypt(nonce, ciphertext, _TRAITS)
        except InvalidTag as error:
            msg = "The traits of a stored record do not open under its subject's key."
            raise IntegrityBroken(msg) from error
        return RecordTraits.from_json(json.loads(text))

    def open(self, subject: Subject, sealed: SealedBody) -> bytes:
        """The exact bytes that were sealed.

        Raises:
            IntegrityBroken: the stored bytes, signature or key are not those that were written.
        """
        nonce, ciphertext = sealed.ciphertext[:_NONCE_BYTES], sealed.ciphertext[_NONCE_BYTES:]
        try:
            return self._cipher(subject).decrypt(nonce, ciphertext, sealed.signature.encode())
        except InvalidTag as error:
            msg = "A stored body does not open under its subject's key."
            raise IntegrityBroken(msg) from error

    def require_opens(self, subject: Subject) -> None:
        """Return when the subject's key was wrapped under this master key.

        Raises:
            IntegrityBroken: it was not.
        """
        self._cipher(subject)

    def _cipher(self, subject: Subject) -> AESGCM:
        try:
            return AESGCM(aes_key_unwrap(self._wrapping_key, subject.wrapped_key))
        except InvalidUnwrap as error:
            msg = "A subject key does not unwrap: the master key is not the one it was made with."
            raise IntegrityBroken(msg) from error


def _sealed(cipher: AESGCM, data: bytes, associated: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, data, associated)


class RecipientPseudonyms:
    """Pseudonyms under a key of one recipient: HMAC-SHA-256, so nobody without it can join them.

    Two recipients who put their data together find no name in common, and neither can try out
    document numbers.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, kind: str, *parts: str) -> str:
        """The pseudonym of what these parts name, unpadded base64url of 32 bytes.

        Args:
            kind: what is named, so that equal texts of different kinds differ.
            parts: what names it; framed, so that no two sequences are taken for one.
        """
        framed = b"".join(
            len(part).to_bytes(8, "big") + part
            for part in (text.encode() for text in (kind, *parts))
        )
        return encode_bytes(_hmac(self._key, framed))


def _derived(master_key: bytes, label: bytes) -> bytes:
    return HKDFExpand(SHA256(), length=32, info=label).derive(master_key)


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def _normalised(value: str) -> str:
    folded = unicodedata.normalize("NFKC", value).casefold()
    return "".join(character for character in folded if character not in " -./\t\u00a0")
