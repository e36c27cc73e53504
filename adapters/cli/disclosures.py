"""`bhx disclosures`: who received what about one traveller, from the exchange's own store."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli.answering import JsonOption, harmless, on_stdout, remark, run, write_json
from adapters.cli.language_option import LangOption, language_for
from adapters.cli.own_store import DatabaseOption, DataOption, own_exchange
from adapters.cli.saving_files import save_private

if TYPE_CHECKING:
    from schemas.disclosure_report import Disclosure, DisclosureReport


def disclosures(
    subject: Annotated[
        str,
        typer.Option(
            metavar="SYSTEM|VALUE",
            help="A document of the traveller, as messages name it. - reads it from stdin, where"
            " no other user of the machine sees it.",
        ),
    ],
    data: DataOption = None,
    database: DatabaseOption = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", help="Save the page to print for the traveller.", show_default=False
        ),
    ] = None,
    with_diseases: Annotated[
        bool,
        typer.Option("--diseases", help="Also say which diseases records are about."),
    ] = False,
    lang: LangOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who received what about a traveller, when, for what, why it was allowed, and the proof.

    Documents that turned out to be one traveller's count together. That it was read is entered in
    the trail, without saying about whom. With `--json` every line has its trail entry and proof.

    Example: `bhx disclosures --subject 'urn:kz:passport|N1234567' --html report.html --lang ru`
    """
    system, value = _document(subject)
    language = language_for(lang)
    report = run(_report(data, database, system, value, language, with_diseases=with_diseases))
    if html is not None:
        from adapters.pages.report_page import report_page

        save_private(html, report_page(report))
        remark(f"saved: {html}")
    if as_json:
        write_json(report.to_values())
    else:
        _print(report, language)


def _document(subject: str) -> tuple[str, str]:
    text = sys.stdin.readline().strip() if subject == "-" else subject
    system, bar, value = text.partition("|")
    if not (system.strip() and bar and value.strip()):
        msg = "write it as SYSTEM|VALUE, in quotes"
        raise typer.BadParameter(msg, param_hint="--subject")
    return system.strip(), value.strip()


async def _report(
    data: Path | None,
    database: str | None,
    system: str,
    value: str,
    language: str,
    *,
    with_diseases: bool,
) -> "DisclosureReport":
    from exchange.slips import OPERATOR

    async with own_exchange(data, database) as exchange:
        return await exchange.disclosures.about_document(
            system,
            value,
            reader=OPERATOR,
            language="ru" if language == "ru" else "en",
            with_diseases=with_diseases,
        )


def _print(report: "DisclosureReport", language: str) -> None:
    from rich.table import Table
    from rich.text import Text

    from schemas.sentences.catalogue import say

    if not report.disclosures:
        typer.echo(say("report.nothing", (), language))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("entry", "when", "who", "what", "why", "since"):
        heading = say(f"report.{column}", ("",), language).strip()
        table.add_column(heading[:1].upper() + heading[1:], overflow="fold")
    for one in report.disclosures:
        table.add_row(*(Text(harmless(cell)) for cell in _cells(one, language)))
    on_stdout().print(table)


def _cells(one: "Disclosure", language: str) -> list[str]:
    from adapters.pages.document import moment

    basis: list[str | None] = [one.basis.text, one.basis.law, one.basis.citation]
    what = [one.record.type.text, one.view.text, *(one.record.diseases or ())]
    return [
        str(one.proof.index),
        moment(one.at, language),
        one.recipient.name or one.recipient.id,
        ", ".join(what),
        "; ".join([one.purpose.text, *filter(None, basis)]),
        "; ".join(_since(one, language)),
    ]


def _since(one: "Disclosure", language: str) -> list[str]:
    from adapters.pages.document import day
    from schemas.sentences.catalogue import say

    told = [one.state.text, *([one.reason.text] if one.reason else [])]
    if one.acknowledged is not None:
        told.append(say("report.signed-for", (day(one.acknowledged.at, language),), language))
    if one.recall is not None and one.recall.answer is not None:
        told.append(one.recall.answer.text)
    elif one.recall is not None:
        key = "report.overdue" if one.recall.is_overdue else "report.answer-by"
        told.append(say(key, (day(one.recall.deadline, language),), language))
    return told
