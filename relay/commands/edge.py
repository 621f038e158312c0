"""The edge of the command line: what stopped a command becomes a message and an exit code."""

from typing import Any

import typer
from typer.core import TyperGroup

from relay.contract.display import warn
from relay.contract.explain import explain


class Edge(TyperGroup):
    """A group of commands whose users never see a traceback for a mistake of theirs."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer's own signature, which varies
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            explanation = explain(error)
            if explanation is None:  # typer's own ends, and bugs of ours
                raise
            warn(f"relay: {explanation.message}")
            raise typer.Exit(explanation.exit_code) from None
