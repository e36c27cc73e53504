"""Logging in: SMART Backend Services discovery and the token endpoint (RFC 6749, RFC 7523)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from adapters.http.describing import content, problems
from adapters.http.logins import ASSERTION_TYPE, LOGIN_ALGORITHMS, LoginDesk, LoginRefused
from adapters.http.parts import Parts
from adapters.http.reading import read_body
from adapters.http.scopes import SCOPES, scopes_of
from adapters.http.tokens import TOKEN_LIFE, TOKEN_PATH, AccessTokens
from schemas.participant import Participant

FORM = "application/x-www-form-urlencoded"

_MOST_FORM_BYTES = 16_384
_MOST_FIELDS = 20

_FORM_SCHEMA = {
    "type": "object",
    "required": ["grant_type", "client_assertion_type", "client_assertion"],
    "properties": {
        "grant_type": {"const": "client_credentials"},
        "client_assertion_type": {"const": ASSERTION_TYPE},
        "client_assertion": {
            "type": "string",
            "description": "JWT: iss = sub = participant id, aud = this URL, exp, jti; kid, alg.",
            "pattern": r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$",
            "maxLength": 8_192,
        },
        "scope": {
            "type": "string",
            "description": "Separated by spaces; without it, all that the roles allow.",
        },
    },
}
_TOKEN_SCHEMA = {
    "title": "AccessToken",
    "type": "object",
    "required": ["access_token", "token_type", "expires_in", "scope"],
    "properties": {
        "access_token": {"type": "string"},
        "token_type": {"const": "bearer"},
        "expires_in": {"type": "integer"},
        "scope": {"type": "string"},
    },
}
_ERROR_SCHEMA = {
    "title": "OAuthError",
    "type": "object",
    "required": ["error", "error_description"],
    "properties": {
        "error": {
            "enum": ["invalid_request", "invalid_client", "unsupported_grant_type", "invalid_scope"]
        },
        "error_description": {"type": "string"},
    },
}


def access_routes(parts: Parts, tokens: AccessTokens) -> APIRouter:
    """The routes by which participants log in."""
    router = APIRouter(tags=["access"])
    base_url = parts.settings.base_url
    desk = LoginDesk(
        clock=parts.clock,
        store=parts.store,
        directory=parts.directory,
        audience=base_url + TOKEN_PATH,
    )
    configuration = {
        "issuer": base_url,
        "token_endpoint": base_url + TOKEN_PATH,
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(LOGIN_ALGORITHMS),
        "scopes_supported": list(SCOPES),
        "capabilities": ["client-confidential-asymmetric", "permission-v2"],
    }

    @router.get(
        "/.well-known/smart-configuration",
        responses={
            200: content("application/json", {"type": "object"}, "SMART configuration."),
            **problems(),
        },
    )
    async def smart_configuration() -> JSONResponse:
        """Where and how to log in (SMART App Launch 2.2, Backend Services)."""
        return JSONResponse(configuration)

    @router.post(
        TOKEN_PATH,
        openapi_extra={
            "requestBody": {"required": True, "content": {FORM: {"schema": _FORM_SCHEMA}}}
        },
        responses={
            200: content("application/json", _TOKEN_SCHEMA, "Logged in."),
            **problems(408, 413, 415, 503),
            400: content("application/json", _ERROR_SCHEMA, "RFC 6749, 5.2."),
        },
    )
    async def token(request: Request) -> JSONResponse:
        """Log in with a signed assertion; the access token is good for five minutes."""
        try:
            form = _read_form(await read_body(request, max_bytes=_MOST_FORM_BYTES))
            participant = await desk.verify(form["client_assertion"])
            scopes = _granted(form.get("scope"), participant)
        except LoginRefused as refused:
            answer = {"error": refused.error, "error_description": refused.text}
            return JSONResponse(answer, 400, headers=_NOT_KEPT)
        granted = {
            "access_token": tokens.issue(participant, scopes),
            "token_type": "bearer",
            "expires_in": int(TOKEN_LIFE.total_seconds()),
            "scope": " ".join(scopes),
        }
        return JSONResponse(granted, headers=_NOT_KEPT)

    return router


_NOT_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def _read_form(body: bytes) -> Mapping[str, str]:
    """The fields of a token request that asks for what there is.

    Raises:
        LoginRefused: it is not such a form.
    """
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise _invalid_request(f"The body must be {FORM}.") from None
    form: dict[str, Any] = dict(pairs)
    if len(form) != len(pairs):
        raise _invalid_request("A field is given twice.")
    if "grant_type" not in form:
        raise _invalid_request("grant_type is missing.")
    if form["grant_type"] != "client_credentials":
        raise LoginRefused("unsupported_grant_type", "Use the grant type client_credentials.")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise _invalid_request(f"client_assertion_type must be {ASSERTION_TYPE}.")
    if not form.get("client_assertion"):
        raise _invalid_request("client_assertion is missing.")
    return form


def _granted(wanted: str | None, participant: Participant) -> tuple[str, ...]:
    """The scopes asked for that the participant may have; all of them when it asks for none.

    Raises:
        LoginRefused: it may have none of those.
    """
    allowed = scopes_of(participant)
    if wanted is None:
        return allowed
    granted = tuple(scope for scope in allowed if scope in wanted.split(" "))
    if not granted:
        raise LoginRefused("invalid_scope", "The participant's roles allow none of these scopes.")
    return granted


def _invalid_request(text: str) -> LoginRefused:
    return LoginRefused("invalid_request", text)
