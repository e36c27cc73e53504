"""The command line, `bhx`: one file for each command or group.

What a command needs is imported when it runs, so that `bhx --help` is quick.
"""

from typing import Annotated

import typer

from adapters.cli.answering import AnsweringGroup, show_version
from adapters.cli.audit import audit
from adapters.cli.bench import bench
from adapters.cli.break_glass import break_glass
from adapters.cli.consent import consent
from adapters.cli.dead_letters import dead_letters
from adapters.cli.demo import demo
from adapters.cli.disclosures import disclosures
from adapters.cli.erase import erase
from adapters.cli.hold import hold
from adapters.cli.keys import key
from adapters.cli.participant import participant
from adapters.cli.policy import policy
from adapters.cli.publish import publish
from adapters.cli.rabbitmq import rabbitmq
from adapters.cli.recalls import recalls
from adapters.cli.retain import retain
from adapters.cli.serve import serve
from adapters.cli.slip import slip
from adapters.cli.subscribe import subscribe
from adapters.cli.validate import validate
from adapters.cli.view import view

app = typer.Typer(
    name="bhx",
    cls=AnsweringGroup,
    no_args_is_help=True,
    # A traceback with local variables could print a health record.
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Border Health Exchange: signed vaccination and test records, carried only on a basis, "
        "and only with a proof that anyone can check.\n\n"
        "A border post publishes, a registry subscribes, an auditor checks the trail, an operator "
        "runs the exchange. Every command has `--json`. Exit codes: 0 all is well, 1 what is "
        "reported is bad, 2 something has to be set differently first."
    ),
)


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", is_eager=True, callback=show_version
        ),
    ] = False,
) -> None:
    """Nothing is done here: the help of `app` stands."""


app.command(rich_help_panel="For everybody")(demo)
app.command(rich_help_panel="For everybody")(validate)
app.command(rich_help_panel="For everybody")(view)
app.command(rich_help_panel="For everybody")(publish)
app.command(rich_help_panel="For everybody")(subscribe)
app.command(rich_help_panel="For everybody")(slip)
app.add_typer(break_glass, name="break-glass", rich_help_panel="For everybody")
app.add_typer(consent, name="consent", rich_help_panel="For everybody")
app.add_typer(audit, name="audit", rich_help_panel="For everybody")
app.add_typer(key, name="key", rich_help_panel="For everybody")
app.command(rich_help_panel="For the operator of an exchange")(serve)
app.add_typer(participant, name="participant", rich_help_panel="For the operator of an exchange")
app.add_typer(policy, name="policy", rich_help_panel="For the operator of an exchange")
app.add_typer(dead_letters, name="dead-letters", rich_help_panel="For the operator of an exchange")
app.command(rich_help_panel="For the operator of an exchange")(disclosures)
app.command(rich_help_panel="For the operator of an exchange")(erase)
app.command(rich_help_panel="For the operator of an exchange")(retain)
app.add_typer(hold, name="hold", rich_help_panel="For the operator of an exchange")
app.command(rich_help_panel="For the operator of an exchange")(recalls)
app.add_typer(rabbitmq, name="rabbitmq", rich_help_panel="For the operator of an exchange")
app.command(rich_help_panel="For the operator of an exchange")(bench)
