"""`bhx participant new`: a participant's document, so that nobody writes JSON by hand."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.cli.answering import JsonOption, remark, write_json
from adapters.reading_files import read_file
from exchange.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic import ValidationError

    from schemas.participant import Participant, ParticipantKey


def new(
    participant_id: Annotated[str, typer.Argument(help="Such as poe:kz:ala or registry:kz.")],
    name: Annotated[str, typer.Option(help="What people call it.")],
    jurisdiction: Annotated[
        str, typer.Option(help="ISO 3166-1 alpha-2 such as KZ, or * for an international body.")
    ],
    role: Annotated[
        list[str],
        typer.Option(help="publisher, subscriber, auditor, operator or witness; may be repeated."),
    ],
    key: Annotated[
        list[Path],
        typer.Option(help="A key it signs with: public JWK, or `bhx key new` file; repeatable."),
    ],
    purpose: Annotated[
        list[str] | None,
        typer.Option(
            help="What it uses records for: TREAT, ETREAT, COC, PUBHLTH, THREAT, DISASTER,"
            " PATRQT or, to break the glass, BTG; repeatable. There are no others.",
            show_default=False,
        ),
    ] = None,
    subscribe: Annotated[
        list[str] | None,
        typer.Option(
            help="Records it wants, TYPE[:DISEASE[:JURISDICTION]]: TYPE is immunization,"
            " labresult or *; such as immunization:yellow-fever:KG; repeatable.",
            show_default=False,
        ),
    ] = None,
    pull: Annotated[
        bool, typer.Option("--pull", help="It fetches over HTTP and needs no RabbitMQ queue.")
    ] = False,
    valid_days: Annotated[int, typer.Option(min=1, help="How long the keys are good.")] = 365,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; none prints the document.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a participant's document; the exchange's operator admits it.

    Example: `bhx participant new registry:kz --name "National registry" --jurisdiction KZ
    --role subscriber --purpose PUBHLTH --subscribe '*' --key registry.key -o registry.json`
    """
    from pydantic import ValidationError

    from schemas.participant import Participant

    periods = [signing_period(one, valid_days) for one in key]
    subscriptions = _subscriptions(subscribe or [], purpose or [])
    try:
        document = Participant.model_validate(
            {
                "id": participant_id,
                "name": name,
                "jurisdiction": jurisdiction,
                "roles": role,
                "purposes": purpose or [],
                "keys": periods,
                "subscriptions": subscriptions,
                "delivery": "pull" if pull else "queue",
            }
        )
    except ValidationError as error:
        raise ConfigurationError(_sentences("the participant", error)) from None
    _require_known_diseases(document)
    values = document.model_dump(mode="json")
    if out is not None:
        _write(out, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    if as_json:
        write_json(values)
    elif out is None:
        typer.echo(json.dumps(values, indent=2, ensure_ascii=False))
    else:
        remark(f"Written to {out}. The operator admits it: bhx participant admit {out}")


def read_document(file: Path) -> "Participant":
    """The participant's document in that file.

    Raises:
        ConfigurationError: it holds none; says which member is wrong.
    """
    from pydantic import ValidationError

    from schemas.participant import Participant
    from schemas.strict_json import read_json
    from schemas.violation import SchemaViolation

    try:
        return Participant.model_validate(read_json(read_file(file)))
    except SchemaViolation as violation:
        msg = f"{file} is not JSON: {violation}"
        raise ConfigurationError(msg) from None
    except ValidationError as error:
        raise ConfigurationError(_sentences(str(file), error)) from None


def signing_period(file: Path, valid_days: int) -> "ParticipantKey":
    """The public key in a file, good from now on; of a private key only the public half.

    Raises:
        ConfigurationError: the file holds no such key.
    """
    from pydantic import ValidationError

    from adapters.key_files import read_signing_key
    from schemas.participant import ParticipantKey
    from schemas.strict_json import read_json
    from schemas.violation import SchemaViolation

    now = datetime.now(UTC).replace(microsecond=0)
    try:
        jwk: Any = read_json(read_file(file))
    except SchemaViolation:
        jwk = None
    if isinstance(jwk, dict) and "d" in jwk:
        # Read again with the check that nobody else can.
        jwk = read_signing_key(file).public_jwk()
    try:
        return ParticipantKey.model_validate(
            {"jwk": jwk, "valid_from": now, "valid_until": now + timedelta(days=valid_days)}
        )
    except ValidationError:
        msg = f"{file} must hold one JWK: `bhx key new` makes one, `bhx key show` its public half."
        raise ConfigurationError(msg) from None


def _subscriptions(wishes: list[str], purposes: list[str]) -> list[dict[str, Any]]:
    """One subscription for each wish and purpose, because a subscription has one purpose.

    Breaking the glass is asked for and never a standing wish.
    """
    from schemas.consent.purposes import BREAK_GLASS

    standing = [one for one in purposes if one != BREAK_GLASS]
    subscriptions: list[dict[str, Any]] = []
    for wish in wishes:
        record_type, disease, jurisdiction, *more = [*wish.split(":"), "", ""]
        if any(more):
            msg = "--subscribe has the form TYPE[:DISEASE[:JURISDICTION]]"
            raise ConfigurationError(msg)
        subscriptions += [
            {
                "id": f"subscription-{len(subscriptions) + number}",
                "record_types": _any_or_one(record_type),
                "diseases": _any_or_one(disease),
                "jurisdictions": _any_or_one(jurisdiction),
                "purpose": purpose,
            }
            for number, purpose in enumerate(standing, start=1)
        ]
    return subscriptions


def _any_or_one(text: str) -> list[str]:
    return [] if text in {"", "*"} else [text]


def _require_known_diseases(document: "Participant") -> None:
    """A name nobody uses would match nothing, for ever and in silence."""
    from schemas.terminology.diseases import disease_keys

    named = {disease for one in document.subscriptions for disease in one.diseases}
    if not named <= set(disease_keys()):
        msg = f"--subscribe names a disease that is not one of: {', '.join(disease_keys())}"
        raise ConfigurationError(msg)


def _sentences(what: str, error: "ValidationError") -> str:
    """Which members are wrong and what they must be; never what they are."""
    details = error.errors(include_input=False, include_url=False, include_context=False)
    sentences = []
    for detail in details[:5]:
        member = ".".join(str(step) for step in detail["loc"]) or "document"
        sentences.append(f"{member}: {detail['msg'].removeprefix('Value error, ')}")
    return f"{what} is not a participant's document: {'; '.join(sentences)}"


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text)
    except OSError as error:
        msg = f"{file} cannot be written ({error.strerror})."
        raise ConfigurationError(msg) from error
