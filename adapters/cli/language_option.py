"""`--lang`: the language in which a command tells people what to mend."""

import os
from typing import Annotated

import typer

from schemas.sentences.catalogue import LANGUAGES

_VARIABLE = "BHX_LANG"

LangOption = Annotated[
    str | None,
    typer.Option(
        "--lang",
        metavar="|".join(LANGUAGES),
        envvar=_VARIABLE,
        help="Language of what is to mend. Without: that of the terminal.",
        show_default=False,
    ),
]


def language_for(asked: str | None) -> str:
    """The language that was asked for, else the terminal's if it is one of ours, else English.

    Args:
        asked: by the option or, without it, by `BHX_LANG`.

    Raises:
        typer.BadParameter: it is not one of ours.
    """
    if asked is not None:
        if asked not in LANGUAGES:
            msg = f"use one of {', '.join(LANGUAGES)}"
            raise typer.BadParameter(msg, param_hint=f"--lang or {_VARIABLE}")
        return asked
    # POSIX, in the order in which programs must ask (XBD 8.2).
    said = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    language = said.partition("_")[0].partition(".")[0].lower()
    return language if language in LANGUAGES else LANGUAGES[0]
