"""Who calls? Access tokens (RFC 9068), signed by the exchange and checked at every use."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.openapi.models import OAuthFlowClientCredentials, OAuthFlows
from fastapi.security import OAuth2, SecurityScopes
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from starlette.exceptions import HTTPException

from adapters.http.parts import Parts
from adapters.http.scopes import SCOPES, scopes_of
from exchange.directory import Directory
from schemas.participant import Participant

TOKEN_LIFE = timedelta(minutes=5)
TOKEN_PATH = "/auth/token"  # noqa: S105 - a path
SCHEME_NAME = "smart-backend-services"

_ALGORITHM = "Ed25519"
_TYPE = "at+jwt"
_MOST_CHARACTERS = 4_096

SCHEME = OAuth2(
    flows=OAuthFlows(
        clientCredentials=OAuthFlowClientCredentials(tokenUrl=TOKEN_PATH, scopes=SCOPES)
    ),
    scheme_name=SCHEME_NAME,
    description="SMART Backend Services: client_credentials with a signed client assertion.",
    auto_error=False,
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a valid token, and what it allows now."""

    participant: Participant
    scopes: frozenset[str]


class AccessTokens:
    """Issues and reads access tokens; safe to share between tasks."""

    def __init__(self, parts: Parts) -> None:
        self._clock = parts.clock
        self._directory = parts.directory
        self._issuer = parts.settings.base_url
        self._key = OKPKey.import_key({**parts.keys.signing.to_private_jwk()})

    def issue(self, participant: Participant, scopes: tuple[str, ...]) -> str:
        """A token for `TOKEN_LIFE` from now."""
        now = self._clock.now()
        claims = {
            "iss": self._issuer,
            "aud": self._issuer,
            "sub": participant.id,
            "client_id": participant.id,
            "scope": " ".join(scopes),
            "iat": int(now.timestamp()),
            "exp": int((now + TOKEN_LIFE).timestamp()),
            "jti": secrets.token_urlsafe(16),
        }
        header = {"alg": _ALGORITHM, "typ": _TYPE}
        return jwt.encode(header, claims, self._key, algorithms=[_ALGORITHM])

    async def caller_of(self, request: Request) -> Caller | None:
        """Who sends this request, by the directory as of now; None when it brings no token.

        Raises:
            HTTPException: 401, the token is not one of ours, expired, or its owner suspended.
            Unavailable: the store does not answer.
        """
        authorization = request.headers.get("authorization")
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise _not_logged_in()
        claims = self._claims_of(token.strip())
        return _caller(claims, await self._directory.checked())

    async def required(self, request: Request, wanted: SecurityScopes) -> Caller:
        """Who sends this request, when its token allows the scopes the route wants.

        Raises:
            HTTPException: 401 without a good token, 403 when it does not allow this.
            Unavailable: the store does not answer.
        """
        caller = await self.caller_of(request)
        if caller is None:
            raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
        if not caller.scopes.issuperset(wanted.scopes):
            challenge = f'Bearer error="insufficient_scope", scope="{wanted.scope_str}"'
            raise HTTPException(403, headers={"WWW-Authenticate": challenge})
        return caller

    def _claims_of(self, token: str) -> dict[str, Any]:
        if len(token) > _MOST_CHARACTERS or not token.isascii():
            raise _not_logged_in()
        try:
            read = jwt.decode(token, self._key, algorithms=[_ALGORITHM])
        except (JoseError, ValueError):
            raise _not_logged_in() from None
        claims = read.claims
        now = int(self._clock.now().timestamp())
        if read.header.get("typ") != _TYPE or claims.get("aud") != self._issuer:
            raise _not_logged_in()
        if not claims["iat"] <= now < claims["exp"]:
            raise _not_logged_in()
        return claims


def requires(tokens: AccessTokens, *scopes: str) -> Any:
    """The dependency that lets in callers with these scopes and hands the route its `Caller`."""

    async def let_in(
        request: Request,
        wanted: SecurityScopes,
        _described: Annotated[str | None, Security(SCHEME)] = None,
    ) -> Caller:
        return await tokens.required(request, wanted)

    return Security(let_in, scopes=list(scopes)) if scopes else Depends(let_in)


def _caller(claims: dict[str, Any], directory: Directory) -> Caller:
    participant = directory.participant(claims["sub"])
    if participant is None or participant.suspended:
        raise _not_logged_in()
    # A role that was taken away takes its scopes out of tokens already issued.
    scopes = set(claims["scope"].split()) & set(scopes_of(participant))
    return Caller(participant, frozenset(scopes))


def _not_logged_in() -> HTTPException:
    return HTTPException(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
