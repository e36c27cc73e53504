"""`bhx consent`: would this be permitted, and why? One decision explained; the rules' self-test."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from adapters.cli.answering import BAD_RESULT, JsonOption, end, on_stdout, write_json
from adapters.cli.language_option import LangOption, language_for
from exchange.errors import ConfigurationError

if TYPE_CHECKING:
    from exchange.consent.decision import BasisDecision
    from schemas.policy import Policy
    from schemas.record_traits import RecordClass, RecordTraits

consent = typer.Typer(
    no_args_is_help=True, help="Whether a record may go to somebody, and what decides it."
)

_MOST_BYTES: Final = 64 * 1_048_576
_ACTOR_PREFIX: Final = "urn:bhx:participant:"
_CATEGORIES: Final[dict[str, "RecordClass"]] = {
    "immunization": "Immunization",
    "labresult": "DiagnosticReport",
    "observation": "Observation",
    "diagnosticreport": "DiagnosticReport",
}

PolicyOption = Annotated[
    list[Path] | None,
    typer.Option("--policy", help="Policy of a jurisdiction, signed or not; repeatable."),
]


@consent.command("decide")
def decide(
    consents: Annotated[
        list[Path],
        typer.Option("--consent", help="A Consent, or a Bundle that holds some; repeatable."),
    ],
    purpose: Annotated[str, typer.Option(help="What it is for: a code of v3-ActReason.")],
    actor: Annotated[str, typer.Option(help="Who would receive it, such as registry:kz.")],
    actor_jurisdiction: Annotated[
        str | None,
        typer.Option(
            help="Country of the actor, or * for an international body. [from its id]",
            show_default=False,
        ),
    ] = None,
    category: Annotated[
        str | None,
        typer.Option(help="immunization, labresult or a resource type. [that of --record]"),
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="The record: a message Bundle or a single resource.")
    ] = None,
    collected_in: Annotated[
        str | None,
        typer.Option(
            help="Country of collection. [that of the message's sender, else the actor's own]",
            show_default=False,
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="Country that the traveller may come from; repeatable."),
    ] = None,
    minor: Annotated[
        bool | None, typer.Option("--minor/--adult", help="Whether the traveller is under age.")
    ] = None,
    policies: PolicyOption = None,
    at: Annotated[
        str | None,
        typer.Option(help="The moment of the decision (ISO 8601; UTC if it names no zone). [now]"),
    ] = None,
    lang: LangOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide once, as the exchange would, and say why.

    Whatever is in a consent's file there is a decision; policies are taken as they are, without
    their signatures. With `--json` one object: `decision, basis, rule, view, redact, obligations,
    inputs_digest, reason`.

    Exits with 0 when it is permitted, 1 when not, 2 when a file could not be read.

    Example: `bhx consent decide --consent consent.json --purpose PUBHLTH --actor registry:kz`
    """
    from dataclasses import replace

    from exchange.consent.decision import decide as decide_basis
    from exchange.consent.request import DisclosureRequest
    from exchange.consent.resources import consents_from

    language = language_for(lang)
    moment = _moment(at)
    recipient = actor.removeprefix(_ACTOR_PREFIX)
    country = _country(actor_jurisdiction, recipient)
    traits = _traits(record, category, collected_in, tuple(origin or ()), country, moment)
    if minor is not None:
        traits = replace(traits, is_minor=minor)
    on_file = consents_from([one for file in consents for one in _consents_in(file)])
    decision = decide_basis(
        on_file,
        _policies(policies),
        DisclosureRequest(
            recipient=recipient,
            recipient_jurisdiction=country,
            purpose=purpose,
            traits=traits,
        ),
        moment,
    )
    identities = [one.statement.identity for one in on_file]
    values = _values(decision, identities, language)
    if as_json:
        write_json(values)
    else:
        _print(values)
    end(well=decision.decision == "permit")


@consent.command("self-test")
def self_test(
    policies: PolicyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide the built-in cases, and what must follow from policies; name every one that fails.

    `bhx serve` does the same before it starts. Exits with 1 when a case fails.
    """
    from exchange.consent.self_test import packed_cases
    from exchange.consent.self_test import self_test as failed_cases

    failed = failed_cases(_policies(policies))
    if as_json:
        write_json(
            {
                "cases": len(packed_cases()),
                "failed": [
                    {"case": one.name, "expected": one.expected, "found": one.found}
                    for one in failed
                ],
            }
        )
    else:
        for one in failed:
            typer.echo(f"failed: {one.name}: expected {one.expected}; found {one.found}")
        typer.echo(f"{len(packed_cases())} cases, {len(failed)} failed")
    if failed:
        raise typer.Exit(BAD_RESULT)


def _moment(at: str | None) -> datetime:
    try:
        moment = datetime.now(UTC) if at is None else datetime.fromisoformat(at)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        # Decisions tell time in milliseconds.
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    except (ValueError, OverflowError):
        msg = "write it as 2026-06-01T12:00:00Z"
        raise typer.BadParameter(msg, param_hint="--at") from None


def _country(told: str | None, recipient: str) -> str:
    """The actor's country; one that is not known is no country at all, and so a foreign one."""
    from schemas.record_in_message import country_in

    return country_in(recipient) if told is None else told.upper()


def _consents_in(file: Path) -> list[Any]:
    """The Consents of a file; one with other content has one Consent that nobody can read."""
    from adapters.reading_files import read_file
    from exchange.consent.resources import consents_in
    from schemas.strict_json import read_json
    from schemas.violation import SchemaViolation

    data = read_file(file, most_bytes=_MOST_BYTES).removeprefix(b"\xef\xbb\xbf")
    try:
        return list(consents_in(read_json(data, max_bytes=_MOST_BYTES)))
    except SchemaViolation:
        return [None]


def _traits(
    record: Path | None,
    category: str | None,
    collected_in: str | None,
    origins: tuple[str, ...],
    actors_country: str,
    at: datetime,
) -> "RecordTraits":
    from dataclasses import replace

    from schemas.record_traits import RecordTraits

    named = _category(category)
    place = None if collected_in is None else collected_in.upper()
    countries = tuple(one.upper() for one in origins)
    if record is None:
        return RecordTraits(
            author="",
            collected_in=place or actors_country,
            record_class=named or "Immunization",
            origins=countries,
        )
    found = _record_in(record, place, countries, at)
    return replace(
        found,
        collected_in=found.collected_in or actors_country,
        record_class=named or found.record_class,
    )


def _category(category: str | None) -> "RecordClass | None":
    if category is None:
        return None
    found = _CATEGORIES.get(category.lower())
    if found is None:
        msg = "use immunization, labresult, Observation or DiagnosticReport"
        raise typer.BadParameter(msg, param_hint="--category")
    return found


def _record_in(
    file: Path, collected_in: str | None, origins: tuple[str, ...], at: datetime
) -> "RecordTraits":
    """As the exchange reads it, so that the digest of the decision is the same."""
    from dataclasses import replace

    from adapters.reading_files import read_file
    from schemas.record_in_message import traits_in
    from schemas.structure.reading import read_resource
    from schemas.violation import SchemaViolation

    data = read_file(file, most_bytes=_MOST_BYTES).removeprefix(b"\xef\xbb\xbf")
    try:
        tree, problems = read_resource(data, max_bytes=_MOST_BYTES)
    except SchemaViolation as violation:
        msg = f"{file}: {violation}"
        raise ConfigurationError(msg) from None
    wrong = next((one for one in problems if one.is_error), None)
    if wrong is not None:
        msg = f"{file}: {wrong.expression}: {wrong.text} See `bhx validate` for all."
        raise ConfigurationError(msg)
    found = traits_in(tree, collected_in=collected_in, at=at)
    if found is None:
        msg = f"{file} holds no Immunization, DiagnosticReport or Observation: give one."
        raise ConfigurationError(msg)
    return replace(found, origins=origins) if origins else found


def _policies(files: list[Path] | None) -> "list[Policy]":
    from adapters.policy_files import unverified_policy

    return [unverified_policy(file) for file in files or ()]


def _values(decision: "BasisDecision", identities: list[str], language: str) -> dict[str, Any]:
    """As `--json` prints it."""
    from exchange.model import ConsentBasis

    basis: dict[str, Any] | None = None
    if isinstance(decision.basis, ConsentBasis):
        basis = {"kind": "consent", "consent": identities[decision.basis.entry]}
    elif decision.basis is not None:
        basis = decision.basis.to_entry()
    return {
        "decision": decision.decision,
        "basis": basis,
        "rule": decision.rule,
        "view": decision.view,
        "redact": list(decision.redact),
        "obligations": list(decision.obligations),
        "inputs_digest": decision.inputs_digest,
        "reason": decision.reason_in(language),
    }


def _print(values: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None)
    for name, value in values.items():
        shown = "".join(one if one.isprintable() else " " for one in _in_a_cell(value))
        table.add_row(Text(name, "bold"), Text(shown))
    on_stdout().print(table)


def _in_a_cell(value: Any) -> str:
    if isinstance(value, dict):
        value = [f"{key} {one}" for key, one in value.items()]
    return ", ".join(value) if value and isinstance(value, list) else str(value or "-")
