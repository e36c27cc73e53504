"""Logging in: what is let in, and every way to be refused."""

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from schemas.jwk import PublicJwk
from schemas.participant import ParticipantKey
from tests.support.world import ALA, AUDITOR, KZ, NOON, OSS
from tests.unit.http.conftest import BASE

EVERYBODY = "system/participants.r"


async def refused(answer, error="invalid_client"):
    body = answer.json()
    assert (answer.status_code, body["error"]) == (400, error)
    assert answer.headers["cache-control"] == "no-store"
    assert set(body) == {"error", "error_description"}
    return body["error_description"]


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        (ALA, f"system/receipts.r system/slips.c {EVERYBODY}"),
        (OSS, f"system/receipts.r system/slips.c {EVERYBODY}"),
        (KZ, f"system/deliveries.r system/acknowledgements.c {EVERYBODY}"),
        (AUDITOR, f"system/trail.r {EVERYBODY}"),
    ],
)
async def test_a_participant_logs_in_with_the_scopes_of_its_roles(caller, name, scope):
    answer = await caller.ask_token(caller.assertion(name))
    assert answer.status_code == 200
    assert answer.json()["scope"] == scope
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("bearer", 300)


async def test_fewer_scopes_may_be_asked_for(caller):
    asked = "system/deliveries.r system/trail.r"
    answer = await caller.ask_token(caller.assertion(KZ), scope=asked)
    assert answer.json()["scope"] == "system/deliveries.r"


@pytest.mark.parametrize(
    ("algorithm", "generate"),
    [
        ("EdDSA", lambda: OKPKey.generate_key("Ed25519")),
        ("Ed25519", lambda: OKPKey.generate_key("Ed25519")),
        ("ES256", lambda: ECKey.generate_key("P-256")),
        ("ES384", lambda: ECKey.generate_key("P-384")),
        ("RS384", lambda: RSAKey.generate_key(2_048)),
    ],
)
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
async def test_every_algorithm_of_smart_logs_in(caller, algorithm, generate):
    key = generate()
    await admit_key(caller, KZ, key)
    header = {"alg": algorithm, "kid": key.thumbprint()}
    answer = await caller.ask_token(caller.assertion(KZ, key=key, header=header))
    assert answer.status_code == 200, answer.text


async def admit_key(caller, name, key, **members):
    listed = {
        "jwk": PublicJwk.model_validate(key.as_dict(private=False)),
        "valid_from": NOON.replace(year=2025),
        "valid_until": NOON.replace(year=2027),
        **members,
    }
    await change(caller, name, keys=(ParticipantKey(**listed),))


async def change(caller, name, **members):
    document = caller.cast.participants[name].model_copy(update=members)
    await caller.exchange.admissions.admit(document)


CLAIMS = {
    "another issuer": {"iss": OSS},
    "no issuer": {"iss": None},
    "another audience": {"aud": "https://elsewhere.example/auth/token"},
    "the exchange, not its token endpoint": {"aud": BASE},
    "two audiences": {"aud": [f"{BASE}/auth/token", "https://elsewhere.example"]},
    "no audience": {"aud": None},
    "expired": {"exp": int(NOON.timestamp()) - 31},
    "good for too long": {"exp": int(NOON.timestamp()) + 331},
    "good for ever": {"exp": None},
    "an end that is no number": {"exp": "tomorrow"},
    "an end that is true": {"exp": True},
    "issued in the future": {"iat": int(NOON.timestamp()) + 31},
    "not good yet": {"nbf": int(NOON.timestamp()) + 31},
    "no id": {"jti": None},
    "an empty id": {"jti": ""},
    "an id that is no text": {"jti": 7},
    "an endless id": {"jti": "x" * 257},
    "an unknown subject": {"sub": "registry:xx", "iss": "registry:xx"},
    "somebody else's name": {"sub": OSS, "iss": OSS},
}


@pytest.mark.parametrize("claims", CLAIMS.values(), ids=CLAIMS)
async def test_claims_that_do_not_hold(caller, claims):
    await refused(await caller.ask_token(caller.assertion(KZ, **claims)))


async def test_an_assertion_is_good_once(caller):
    assertion = caller.assertion(KZ)
    assert (await caller.ask_token(assertion)).status_code == 200
    assert "before" in await refused(await caller.ask_token(assertion))


async def test_two_participants_may_use_the_same_jti(caller):
    for name in (KZ, ALA):
        answer = await caller.ask_token(caller.assertion(name, jti="1"))
        assert answer.status_code == 200


async def test_a_refused_assertion_uses_nothing_up(caller):
    await refused(await caller.ask_token(caller.assertion(KZ, jti="1", aud="nobody")))
    assert (await caller.ask_token(caller.assertion(KZ, jti="1"))).status_code == 200


async def test_a_signature_by_another_key(caller):
    stranger = OKPKey.generate_key("Ed25519")
    text = await refused(await caller.ask_token(caller.assertion(KZ, key=stranger)))
    assert "signature" in text


async def test_a_changed_assertion(caller):
    header, _, signature = caller.assertion(KZ).split(".")
    _, claims, _ = caller.assertion(KZ, jti="other").split(".")
    await refused(await caller.ask_token(f"{header}.{claims}.{signature}"))


async def test_an_unlisted_kid(caller):
    await refused(await caller.ask_token(caller.assertion(KZ, header={"kid": "unlisted"})))


async def test_an_algorithm_that_is_not_the_keys(caller):
    wrong = {"alg": "ES256"}
    key = ECKey.generate_key("P-256")
    assert "alg" in await refused(
        await caller.ask_token(caller.assertion(KZ, header=wrong, key=key))
    )


async def test_the_public_key_is_no_shared_secret(caller):
    public = caller.cast.keys[KZ].public_jwk()["x"]
    secret = OctKey.import_key(public.encode())
    await refused(await caller.ask_token(caller.assertion(KZ, header={"alg": "HS256"}, key=secret)))


async def test_an_unsigned_assertion(caller):
    header, claims, _ = caller.assertion(KZ).split(".")
    await refused(await caller.ask_token(f"eyJhbGciOiJub25lIn0.{claims}."))
    await refused(await caller.ask_token(f"{header}.{claims}."))


async def test_a_revoked_key(caller):
    key = OKPKey.generate_key("Ed25519")
    await admit_key(caller, KZ, key, revoked_at=NOON)
    header = {"kid": key.thumbprint()}
    text = await refused(await caller.ask_token(caller.assertion(KZ, key=key, header=header)))
    assert "revoked" in text


@pytest.mark.parametrize(
    "period",
    [{"valid_from": NOON.replace(month=7)}, {"valid_until": NOON}],
    ids=["not yet", "no longer"],
)
async def test_a_key_outside_its_validity(caller, period):
    key = OKPKey.generate_key("Ed25519")
    await admit_key(caller, KZ, key, **period)
    header = {"kid": key.thumbprint()}
    text = await refused(await caller.ask_token(caller.assertion(KZ, key=key, header=header)))
    assert "validity" in text


async def test_a_suspended_participant(caller):
    await change(caller, KZ, suspended=True)
    assert "suspended" in await refused(await caller.ask_token(caller.assertion(KZ)))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_assertion_type": None}, "invalid_request"),
        ({"client_assertion_type": "secret"}, "invalid_request"),
        ({"client_assertion": None}, "invalid_request"),
        ({"client_assertion": "a.b"}, "invalid_client"),
        ({"client_assertion": "x" * 9_000}, "invalid_client"),
        ({"client_assertion": "é.é.é"}, "invalid_client"),
        ({"scope": "system/*.cruds"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
    ],
)
async def test_forms_that_ask_for_something_else(caller, fields, error):
    fields = {"client_assertion": caller.assertion(KZ), **fields}
    assertion = fields.pop("client_assertion")
    await refused(await caller.ask_token(assertion, **fields), error)


@pytest.mark.parametrize("body", [b"", b"\xff", b"%ff=1", b"grant_type=a&grant_type=a", b"{}"])
async def test_bodies_that_are_no_form(caller, body):
    await refused(await caller.http.post("/auth/token", content=body), "invalid_request")


async def test_a_token_stops_working_when_its_owner_is_suspended(caller):
    headers = await caller.login(KZ)
    assert (await caller.http.get("/deliveries", headers=headers)).status_code == 200
    await change(caller, KZ, suspended=True)
    assert (await caller.http.get("/deliveries", headers=headers)).status_code == 401


async def test_a_token_loses_the_scopes_of_a_role_that_was_taken_away(caller):
    headers = await caller.login(KZ)
    await change(caller, KZ, roles=("auditor",), purposes=(), subscriptions=())
    assert (await caller.http.get("/deliveries", headers=headers)).status_code == 403


async def test_a_token_expires(caller, clock):
    headers = await caller.login(KZ)
    clock.advance(seconds=299)
    assert (await caller.http.get("/deliveries", headers=headers)).status_code == 200
    clock.advance(seconds=1)
    answer = await caller.http.get("/deliveries", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_a_login_assertion_is_no_access_token(caller):
    headers = {"Authorization": f"Bearer {caller.assertion(KZ, aud=BASE)}"}
    assert (await caller.http.get("/deliveries", headers=headers)).status_code == 401


PROTECTED = {
    "/deliveries": KZ,
    "/receipts/x": ALA,
    "/trail/checkpoints": AUDITOR,
    "/trail/checkpoints/1": AUDITOR,
    "/trail/messages/x": AUDITOR,
    "/trail/tile/entries/000.p/1": AUDITOR,
    "/participants": ALA,
    f"/participants/{KZ}": ALA,
}


@pytest.mark.parametrize(("path", "name"), PROTECTED.items())
async def test_protected_routes_ask_for_a_token_and_its_scope(caller, path, name):
    answer = await caller.http.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    for wrong in ("Bearer x", "Bearer ", "Basic eDp4", "x"):
        refusal = await caller.http.get(path, headers={"Authorization": wrong})
        assert refusal.status_code == 401
    for other in (ALA, KZ, AUDITOR):
        answer = await caller.http.get(path, headers=await caller.login(other))
        if other == name or path.startswith("/participants"):
            assert answer.status_code in {200, 404}
        else:
            assert answer.status_code == 403
            assert "insufficient_scope" in answer.headers["www-authenticate"]


async def test_discovery_names_the_token_endpoint(caller):
    answer = (await caller.http.get("/.well-known/smart-configuration")).json()
    assert answer["token_endpoint"] == f"{BASE}/auth/token"
    assert answer["grant_types_supported"] == ["client_credentials"]
    assert {"ES384", "RS384"} <= set(answer["token_endpoint_auth_signing_alg_values_supported"])
