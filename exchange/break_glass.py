"""Breaking the glass: one traveller's records without a basis, for a while, and never unseen.

The argument, numbered here and again at the code that makes each step:

    1. A participant signed the request within the hour. So somebody answers for it.
    2. The request commits to the documents that came with it. So it is about this traveller.
    3. The participant was admitted with the purpose BTG. So its work is to save lives.
    4. Policies name it, for as many hours. Only records collected where they hold can be seen.
    5. Where such a policy wants a second approver, another participant signed this very request
       within the hour.
    6. There is something to be seen there: newest versions, not withdrawn, not erased, not
       forbidden by a policy involved, and not going to a country that the traveller may have left.

Then the opening is a trail entry, and the records are released under it in the same transaction,
in full and for the purpose BTG. A refusal of 3 to 6 is recorded like that of a message: somebody
who tries doors is seen. What does not hold in 1 and 2 is nobody's word and is not recorded.

Every grant is reviewed by somebody who neither opened nor approved it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from exchange.commitment import CommitmentBroken, require_commitment
from exchange.directory import Directory
from exchange.directory_cache import DirectoryCache
from exchange.dispatch import Dispatcher
from exchange.errors import (
    BreakGlassRefused,
    ConfigurationError,
    ConflictingMessage,
    MalformedMessage,
    Refusal,
)
from exchange.facts import Facts
from exchange.glass_rules import places_open_to, refused, to_be_seen
from exchange.model import Grant, MessageIdentity, PendingDelivery, ReceivedMessage, Refused
from exchange.ports import Clock, LockedTrail, Store
from exchange.proving import ProofDesk
from exchange.recording import Recording
from exchange.releasing import StoredRecord
from exchange.subscriber_statements import statement_digest, untrusted, verified_statement
from exchange.trail.checkpoint import NoteSigner
from schemas.break_glass import (
    BreakGlassApproval,
    BreakGlassOpening,
    BreakGlassRequest,
    ReviewOutcome,
    documents_bytes,
)
from schemas.consent.purposes import BREAK_GLASS
from schemas.envelope import BREAK_GLASS_APPROVAL, BREAK_GLASS_REQUEST
from schemas.participant import Participant
from schemas.policy import Policy
from schemas.violation import problem

#: How old the signatures of a request and of its approval may be.
SIGNED_WITHIN: Final = timedelta(hours=1)

#: Roles whose participants may review.
_REVIEWERS: Final = frozenset({"auditor", "operator"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedGlass:
    """A grant and how many records it let out; none when it stood before."""

    grant: Grant
    released: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A request whose signature holds, and whoever signed for it too."""

    participant: Participant
    request: BreakGlassRequest
    received: ReceivedMessage
    opening: BreakGlassOpening

    @property
    def identity(self) -> MessageIdentity:
        """Under which its decision is filed."""
        return MessageIdentity(self.participant.id, self.request.grant)

    @property
    def digest(self) -> str:
        """Of what was signed, as the trail names it."""
        return statement_digest(self.received.body, self.received.signature or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlassDesk:
    """Opens and reviews grants; safe to share between tasks."""

    clock: Clock
    store: Store
    directory: DirectoryCache
    signer: NoteSigner
    origin: str
    proofs: ProofDesk
    dispatcher: Dispatcher
    policies: tuple[Policy, ...] = ()

    async def open(
        self, opening: BreakGlassOpening, *, authenticated_as: str | None
    ) -> OpenedGlass:
        """Grant what is asked for, release the records and send them on their way.

        The same request again gets the same grant, and releases nothing.

        Raises:
            Refusal: it may not be; `BreakGlassRefused` is recorded in the trail.
            Unavailable: it is not known whether it was granted: ask again.
        """
        directory = await self.directory.checked()
        asked = self._verified(opening, authenticated_as, directory, self.clock.now())  # 1, 2
        async with self.store.locked() as trail:
            standing = (await trail.grants([asked.request.grant])).get(asked.request.grant)
            if standing is not None:
                return OpenedGlass(grant=_require_same(standing, asked))
            facts = await self._facts(asked, trail)
            recording = self._recording(trail, facts, directory)
            try:
                approver, records = await self._judged(asked, directory, facts, trail, recording.at)
            except BreakGlassRefused as refusal:
                await self._refuse(asked, refusal, facts, trail, recording)
                raise
            grant = Grant(
                grant_id=asked.request.grant,
                participant=asked.participant.id,
                subject_id=records[0][0].subject_id,
                reason=asked.request.reason,
                approver=approver,
                opened_at=recording.at,
                until=recording.at + timedelta(hours=asked.request.hours),
            )
            before = facts.outbox(grant.participant).last_number
            approval = _approval(asked)
            signed = [one for one in (asked.received, approval) if one is not None]
            recording.break_glass(
                grant,
                records,
                [(statement_digest(one.body, one.signature or ""), one) for one in signed],
            )
            await trail.save(recording.close(self.signer))
            # If we crash before this returns, the participant asks again: granted or not.
            await trail.commit()
        released = await self._send(grant, after=before, limit=len(records))
        return OpenedGlass(grant=grant, released=released, waiting=len(records) - released)

    async def review(self, grant_id: str, reviewer: str, outcome: ReviewOutcome) -> Grant:
        """Record that somebody else looked at it, and what they found.

        Raises:
            ConfigurationError: there is no such grant, it was reviewed before, or the reviewer
                may not review it.
            Unavailable: nothing is known to be recorded, so retry.
        """
        directory = await self.directory.checked()
        async with self.store.locked() as trail:
            grant = (await trail.grants([grant_id])).get(grant_id)
            if grant is None:
                msg = "There is no such grant: see `bhx break-glass list`."
                raise ConfigurationError(msg)
            _require_reviewer(grant, reviewer, directory)
            if grant.outcome is not None:
                msg = f"That grant was reviewed before, as {grant.outcome}: a review stands."
                raise ConfigurationError(msg)
            recording = self._recording(trail, Facts(), directory)
            recording.review_glass(grant, reviewer, outcome)
            await trail.save(recording.close(self.signer))
            # If we crash before this returns, `bhx break-glass list` says whether it stands.
            await trail.commit()
        return replace(grant, outcome=outcome)

    def _verified(
        self,
        opening: BreakGlassOpening,
        authenticated_as: str | None,
        directory: Directory,
        at: datetime,
    ) -> _Asked:
        received = ReceivedMessage(
            body=opening.request,
            signature=opening.request_signature,
            authenticated_as=authenticated_as,
        )
        participant, request = verified_statement(
            received,
            BreakGlassRequest,
            content_type=BREAK_GLASS_REQUEST,
            directory=directory,
            at=at,
            lifetime=SIGNED_WITHIN,
        )  # 1
        if request.participant != participant.id:
            raise untrusted("break-glass.for-another", "iss")
        try:
            require_commitment(request.subject, documents_bytes(opening.documents), opening.salt)
        except CommitmentBroken:  # 2
            raise MalformedMessage(
                problem("break-glass.other-documents", "value", "BreakGlassRequest.subject")
            ) from None
        return _Asked(participant=participant, request=request, received=received, opening=opening)

    async def _facts(self, asked: _Asked, trail: LockedTrail) -> Facts:
        facts = await trail.facts_about(
            identities=[asked.identity],
            tokens=self._tokens(asked),
            subscribers=[asked.participant.id],
        )
        # A grant id that was used for another request is no id for this one.
        facts.standing_decision(asked.identity, self._digest(asked))
        return facts

    def _digest(self, asked: _Asked) -> bytes:
        return self.proofs.vault.digest_of(asked.received.body)

    def _recording(self, trail: LockedTrail, facts: Facts, directory: Directory) -> Recording:
        return Recording(
            head=trail.head,
            facts=facts,
            windows={one.id: one.window for one in directory.subscribers()},
            origin=self.origin,
            now=self.clock.now(),
            jurisdictions=directory.jurisdictions(),
            policies=self.policies,
        )

    async def _judged(
        self,
        asked: _Asked,
        directory: Directory,
        facts: Facts,
        trail: LockedTrail,
        at: datetime,
    ) -> tuple[str | None, list[tuple[PendingDelivery, StoredRecord]]]:
        """The second approver, if one signed, and what is to be seen."""
        if BREAK_GLASS not in asked.participant.purposes:  # 3
            raise refused("break-glass.purpose", BREAK_GLASS)
        approver = self._approver(asked, directory, at)
        places = places_open_to(
            asked.participant.id,
            asked.request.hours,
            self.policies,
            at,
            is_approved=approver is not None,
        )  # 4, 5
        known = [one.subject_id for one in facts.known_subjects(self._tokens(asked))]
        on_file = await trail.records_about(known)
        named = [one.pending.record for one in on_file if one.pending.record is not None]
        facts.versions = (await trail.facts_about(records=named)).versions
        vault = self.proofs.vault
        records = list(
            to_be_seen(asked.participant, places, on_file, facts, self.policies, vault, at)
        )
        if not records:  # 6
            raise refused("break-glass.nothing")
        return approver, records

    def _tokens(self, asked: _Asked) -> tuple[bytes, ...]:
        return self.proofs.vault.tokens_of(
            (one.system, one.value) for one in asked.opening.documents
        )

    def _approver(self, asked: _Asked, directory: Directory, at: datetime) -> str | None:
        """5. Another participant's signature over this very request; None when there is none."""
        received = _approval(asked)
        if received is None:
            return None
        try:
            approver, approval = verified_statement(
                received,
                BreakGlassApproval,
                content_type=BREAK_GLASS_APPROVAL,
                directory=directory,
                at=at,
                lifetime=SIGNED_WITHIN,
            )
        except Refusal as refusal:
            raise BreakGlassRefused(refusal.problems) from None
        if approver.id == asked.participant.id:
            raise refused("break-glass.same-person")
        said = (approval.approver, approval.grant, approval.request)
        if said != (approver.id, asked.request.grant, asked.digest):
            raise refused("break-glass.other-request")
        return approver.id

    async def _refuse(
        self,
        asked: _Asked,
        refusal: BreakGlassRefused,
        facts: Facts,
        trail: LockedTrail,
        recording: Recording,
    ) -> None:
        """An attempt leaves an entry; the same attempt again leaves no second one."""
        if asked.identity in facts.standing:
            return
        recording.refuse(
            Refused(
                identity=asked.identity,
                digest=self._digest(asked),
                received=asked.received,
                at=recording.at,
                reason=refusal.reason,
                problems=refusal.problems,
            )
        )
        await trail.save(recording.close(self.signer))
        await trail.commit()

    async def _send(self, grant: Grant, *, after: int, limit: int) -> int:
        """Publish what was released at once; the relay publishes what this does not reach."""
        rows = await self.store.delivery_rows(grant.participant, after=after, limit=limit)
        own = [row for row in rows if row.pending.basis.to_entry().get("grant") == grant.grant_id]
        await self.dispatcher.dispatch(await self.proofs.deliveries_of(own))
        return len(own)


def _approval(asked: _Asked) -> ReceivedMessage | None:
    opening = asked.opening
    if opening.approval is None:
        return None
    return ReceivedMessage(body=opening.approval, signature=opening.approval_signature)


def _require_same(standing: Grant, asked: _Asked) -> Grant:
    if standing.participant != asked.participant.id or standing.reason != asked.request.reason:
        raise ConflictingMessage(problem("message.id-used", "duplicate", "BreakGlassRequest.grant"))
    return standing


def _require_reviewer(grant: Grant, reviewer: str, directory: Directory) -> None:
    participant = directory.participant(reviewer)
    if participant is None or participant.suspended or _REVIEWERS.isdisjoint(participant.roles):
        msg = "A reviewer is an admitted participant with the role auditor or operator."
        raise ConfigurationError(msg)
    if reviewer in {grant.participant, grant.approver}:
        msg = "Who opened or approved a grant cannot review it: name somebody else."
        raise ConfigurationError(msg)
