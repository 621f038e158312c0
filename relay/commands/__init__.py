"""The command line, one file per command."""

import typer

app = typer.Typer(name="relay", no_args_is_help=True)
