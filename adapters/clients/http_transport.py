"""An exchange over HTTP: everything a participant may ask for, logged in when it has to be."""

import asyncio
import base64
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx2

from adapters.clients.errors import RequestRefused, Unproven
from adapters.clients.login import login_form
from adapters.clients.transport import Arrivals, Arrived, ShownEntry, SignedMessage
from exchange.errors import Unavailable
from exchange.signing import SigningKey
from exchange.trail.errors import TileInvalid
from exchange.trail.tile_paths import TILE_WIDTH, bundle_path, decode_bundle
from schemas.delivery import Delivery
from schemas.envelope import ACKNOWLEDGEMENT, CESSATION, FHIR_JSON, SIGNATURE_HEADER
from schemas.operation_outcome import receipt_in
from schemas.participant import Participant
from schemas.slip import SlipAnswer
from schemas.strict_json import read_json
from schemas.violation import SchemaViolation
from schemas.wire_json import decode_bytes

#: A page of deliveries may hold many bodies.
_MOST_ANSWER_BYTES = 512 * 1_048_576
#: The most deliveries in one answer, and the longest an exchange waits for one.
MOST_DELIVERIES = 100
LONGEST_WAIT_SECONDS = 30
#: Log in again this long before a token ends.
_TOKEN_MARGIN_SECONDS = 30.0
#: Statuses that say "later", whatever the request was.
_LATER = frozenset({429, 502, 503, 504})
_MOST_SHOWN_CHARACTERS = 300


class HttpTransport:
    """One participant's way to one exchange; safe to share between tasks.

    Fits every port of `adapters.clients.transport`.
    """

    def __init__(
        self,
        url: str,
        participant_id: str | None = None,
        key: SigningKey | None = None,
        *,
        client: httpx2.AsyncClient | None = None,
        seconds_now: Callable[[], float] = time.time,
    ) -> None:
        """Reach the exchange at this URL.

        Args:
            url: the exchange's public URL; the audience of logins.
            participant_id: who logs in; not needed to publish or for what is public.
            key: that participant's key.
            client: an HTTP client to use, for tests and proxies.
            seconds_now: seconds since 1970, for logins.
        """
        self._url = url.rstrip("/")
        self._participant_id = participant_id
        self._key = key
        self._seconds_now = seconds_now
        self._client = client or httpx2.AsyncClient(
            timeout=httpx2.Timeout(60.0, connect=10.0),
            limits=httpx2.Limits(max_connections=32),
        )
        self._token: tuple[str, float] | None = None
        self._logging_in = asyncio.Lock()

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def submit(self, message: SignedMessage) -> bytes:
        """See `MessageTransport`."""
        answer = await self._send(
            "POST",
            "/fhir/$process-message",
            content=message.body,
            headers={"content-type": FHIR_JSON, SIGNATURE_HEADER: message.signature},
        )
        try:
            receipt = receipt_in(read_json(answer.content, max_bytes=_MOST_ANSWER_BYTES))
        except (SchemaViolation, KeyError, TypeError, AttributeError, ValueError):
            receipt = None
        if receipt is not None:
            return receipt
        if answer.status_code == httpx2.codes.INTERNAL_SERVER_ERROR:
            # Nothing is known to be recorded; the exchange decides once, however often we ask.
            raise Unavailable("The exchange failed while it decided on the message.")
        raise _refused(answer)

    async def receive(self, *, after: int, limit: int, patience: float) -> Arrivals:
        """See `DeliveryTransport`."""
        query = {"after": str(after), "limit": str(min(limit, MOST_DELIVERIES))}
        query["wait"] = str(min(int(patience), LONGEST_WAIT_SECONDS))
        return _arrivals(await self._json("/deliveries", query), after)

    async def acknowledge(self, statement: bytes, signature: str) -> None:
        """See `DeliveryTransport`."""
        answer = await self._logged_in(
            "POST",
            "/acknowledgements",
            content=statement,
            headers={"content-type": ACKNOWLEDGEMENT, SIGNATURE_HEADER: signature},
        )
        _require_success(answer)

    async def answer_recalls(self, statement: bytes, signature: str) -> None:
        """See `DeliveryTransport`."""
        answer = await self._logged_in(
            "POST",
            "/recalls/answers",
            content=statement,
            headers={"content-type": CESSATION, SIGNATURE_HEADER: signature},
        )
        _require_success(answer)

    async def break_glass(self, opening: bytes) -> dict[str, Any]:
        """What the exchange says of the grant that these bytes ask for (schemas.break_glass).

        Raises:
            Unavailable: it is not known whether it was granted: ask the same again.
            RequestRefused: it was not.
        """
        answer = await self._logged_in(
            "POST", "/break-glass", content=opening, headers={"content-type": "application/json"}
        )
        _require_success(answer)
        return dict(_value(answer))

    async def settle(self, arrived: Sequence[Arrived]) -> None:
        """Nothing to do: the cursor says where to go on."""

    async def set_aside(self, arrived: Arrived) -> None:
        """Nothing to do: what is not acknowledged stays on the exchange's list."""

    async def issue_slip(self, message_id: str) -> SlipAnswer:
        """A slip for the traveller of one of this publisher's own accepted messages.

        Raises:
            RequestRefused: there is no such message, or the login does not allow it.
            Unavailable: the exchange does not answer; a slip nobody holds may exist.
        """
        answer = await self._logged_in("POST", "/slips", json={"message": message_id})
        _require_success(answer)
        try:
            return SlipAnswer.from_bytes(answer.content)
        except SchemaViolation:
            raise Unproven("The exchange gives a slip of another form.") from None

    async def participant(self, participant_id: str) -> Participant | None:
        """See `DirectoryReader`."""
        answer = await self._logged_in("GET", f"/participants/{quote(participant_id, safe=':')}")
        if answer.status_code == httpx2.codes.NOT_FOUND:
            return None
        _require_success(answer)
        try:
            return Participant.model_validate_json(answer.content)
        except ValueError:
            raise Unproven("The exchange shows a participant's document of another form.") from None

    async def participants(self) -> list[str]:
        """Ids of everybody in the directory."""
        rows = _member(await self._json("/participants"), "participants")
        return [str(_member(row, "id")) for row in rows]

    async def verifier_key(self) -> str:
        """The key of the exchange's trail, as it says itself: to be pinned, not believed twice."""
        answer = await self._public("/trail/verifier-key")
        return str(_member(_value(answer), "verifier_key"))

    async def checkpoint(self, size: int | None = None) -> str:
        """See `TrailReader`."""
        if size is None:
            return (await self._public("/trail/checkpoint")).text
        answer = await self._logged_in("GET", f"/trail/checkpoints/{size}")
        _require_success(answer)
        return answer.text

    async def checkpoint_sizes(self, after: int) -> Sequence[int]:
        """See `TrailReader`."""
        listed = await self._json("/trail/checkpoints", {"after": str(after)})
        return [int(size) for size in _member(listed, "sizes")]

    async def consistency_proof(self, first: int, second: int) -> Sequence[bytes]:
        """See `ConsistencyReader`."""
        answer = await self._public(
            "/trail/proof/consistency", {"first": str(first), "second": str(second)}
        )
        try:
            return [
                base64.b64decode(one, validate=True) for one in _member(_value(answer), "hashes")
            ]
        except (ValueError, TypeError):
            raise Unproven("The exchange shows a consistency proof of another form.") from None

    async def bundle(self, index: int, width: int) -> Sequence[bytes]:
        """See `TrailReader`."""
        path = bundle_path(index, None if width == TILE_WIDTH else width)
        answer = await self._logged_in("GET", f"/trail/{path}")
        _require_success(answer)
        try:
            return decode_bundle(answer.content)[:width]
        except TileInvalid as invalid:
            raise Unproven(f"The exchange shows a broken entry bundle: {invalid}.") from None

    async def message_entries(self, message_id: str) -> Sequence[ShownEntry]:
        """See `TrailReader`."""
        answer = await self._logged_in("GET", f"/trail/messages/{quote(message_id, safe='')}")
        if answer.status_code == httpx2.codes.NOT_FOUND:
            return []
        _require_success(answer)
        rows = _member(_value(answer), "entries")
        try:
            return [
                ShownEntry(
                    index=int(row["index"]),
                    entry=decode_bytes(row["entry"]),
                    proof=str(row["proof"]),
                )
                for row in rows
            ]
        except (KeyError, TypeError, ValueError, SchemaViolation):
            raise Unproven("The exchange shows trail entries of another form.") from None

    async def _json(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        answer = await self._logged_in("GET", path, params=query)
        _require_success(answer)
        return _value(answer)

    async def _public(self, path: str, query: Mapping[str, str] | None = None) -> httpx2.Response:
        answer = await self._send("GET", path, params=query)
        _require_success(answer)
        return answer

    async def _logged_in(self, method: str, path: str, **request: Any) -> httpx2.Response:
        headers = dict(request.pop("headers", {}))
        token = await self._access_token()
        headers["authorization"] = f"Bearer {token}"
        answer = await self._send(method, path, headers=headers, **request)
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            # The exchange may have restarted with other keys, or our clocks differ: once more.
            self._forget(token)
            headers["authorization"] = f"Bearer {await self._access_token()}"
            answer = await self._send(method, path, headers=headers, **request)
        return answer

    def _forget(self, token: str) -> None:
        if self._token is not None and self._token[0] == token:
            self._token = None

    async def _access_token(self) -> str:
        async with self._logging_in:
            if self._token is None or self._token[1] <= time.monotonic():
                self._token = await self._log_in()
            return self._token[0]

    async def _log_in(self) -> tuple[str, float]:
        if self._participant_id is None or self._key is None:
            raise RequestRefused("This needs a login: give a participant id and its key.")
        token_url = f"{self._url}/auth/token"
        form = login_form(self._participant_id, self._key, token_url, seconds_now=self._seconds_now)
        answer = await self._send("POST", "/auth/token", data=form)
        if not answer.is_success:
            raise RequestRefused(
                f"The exchange refuses the login ({answer.status_code}): {_words_of(answer)} Is the"
                f" participant admitted there, and is {self._url} the exchange's public URL?",
                status=answer.status_code,
            )
        granted = _value(answer)
        lifetime = float(_member(granted, "expires_in"))
        usable = max(lifetime - _TOKEN_MARGIN_SECONDS, lifetime / 2)
        return str(_member(granted, "access_token")), time.monotonic() + usable

    async def _send(self, method: str, path: str, **request: Any) -> httpx2.Response:
        try:
            answer = await self._client.request(method, self._url + path, **request)
        except httpx2.TransportError as error:
            # The error's text could repeat what was sent; its class says enough.
            name = type(error).__name__
            raise Unavailable(f"{self._url} does not answer ({name}).") from None
        except httpx2.InvalidURL:
            raise RequestRefused("The exchange's URL is none: give http(s)://host:port.") from None
        if answer.status_code in _LATER:
            raise Unavailable(f"{self._url} asks to come back later ({answer.status_code}).")
        return answer


def _arrivals(page: Any, after: int) -> Arrivals:
    arrived: list[Arrived] = []
    for values in _member(page, "deliveries"):
        try:
            arrived.append(Arrived(delivery=Delivery.from_values(values)))
        except SchemaViolation:
            arrived.append(Arrived(delivery=None))
    return Arrivals(arrived=arrived, cursor=max(after, int(page.get("next") or after)))


def _value(answer: httpx2.Response) -> Any:
    try:
        return read_json(answer.content, max_bytes=_MOST_ANSWER_BYTES)
    except SchemaViolation:
        raise RequestRefused("The exchange's answer is not JSON: is the URL that of one?") from None


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, dict) or name not in value:
        raise RequestRefused("The exchange's answer lacks a member: is its version another one?")
    return value[name]


def _require_success(answer: httpx2.Response) -> None:
    if not answer.is_success:
        raise _refused(answer)


def _refused(answer: httpx2.Response) -> RequestRefused:
    status = answer.status_code
    return RequestRefused(f"The exchange refuses ({status}): {_words_of(answer)}", status=status)


def _words_of(answer: httpx2.Response) -> str:
    """The exchange's own words, in whichever of its three forms they come."""
    try:
        words = _words(read_json(answer.content, max_bytes=_MOST_ANSWER_BYTES))
    except (SchemaViolation, KeyError, TypeError, AttributeError):
        words = "It gives no reason."
    return "".join(one for one in words if one.isprintable())[:_MOST_SHOWN_CHARACTERS]


def _words(told: Any) -> str:
    """What an OperationOutcome, an RFC 9457 problem or an RFC 6749 error says."""
    if "issue" in told:
        return " ".join(str(issue["diagnostics"]) for issue in told["issue"])
    if "error" in told:
        return str(told.get("error_description", told["error"]))
    texts = [str(problem["text"]) for problem in told.get("problems", ())]
    return " ".join([str(told["title"]), *texts])
