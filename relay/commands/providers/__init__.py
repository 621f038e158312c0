"""``relay providers``: the kinds of senders that have a preset, and whether each holds here."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from relay.commands.options import AsJson
from relay.contract.display import show, show_json, tell
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.printable import printable
from relay.provider import Provider
from relay.providers import PROVIDERS

if TYPE_CHECKING:
    from relay.commands.providers.facts import Facts
    from relay.proving import Proof

COLUMNS = ("name", "title", "proves", "signed", "tolerance", "handshakes", "needs", "proved_by")
WIDTH = 16
PROOF_COLUMNS = ("name", "result", "proved_by", "examples", "vectors", "faults")

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME …]", help="Only these.")]


class _ByName(TyperGroup):
    """A group in which a preset's name stands for the command that shows it."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer's own
        """Take what is no command for a name."""
        if args[0] not in self.commands:
            return "show", self.commands["show"], args
        return super().resolve_command(ctx, args)


def providers(context: typer.Context, as_json: AsJson = False) -> None:
    """List the kinds of senders that have a preset.

    What a delivery of each proves stands beside it. `relay providers NAME` shows one with the lines
    of relay.toml that it needs; `relay providers test` tries them here. With --json an array of
    objects with the keys name, title, proves, id_signed (null: has no id), type_signed,
    time_signed, tolerance_seconds, handshakes, needs, extra and proved_by.
    """
    if context.invoked_subcommand is not None:
        return
    # Only what shows them needs what looks into them; importing it would slow the others down.
    from relay.commands.providers.facts import facts_of  # noqa: PLC0415

    rows = [_row(facts_of(provider)) for provider in PROVIDERS.values()]
    if not as_json:
        rows = [row | _shown(row) for row in rows]
    show(rows, COLUMNS, as_json=as_json)


def show_one(
    name: Annotated[str, typer.Argument(metavar="NAME", help="For example github.")],
    as_json: AsJson = False,
) -> None:
    """Show all that a preset says, with the lines of relay.toml to copy.

    With --json an object with the keys of the list, and lines and details (objects with the keys
    what and text).
    """
    from relay.commands.providers.facts import facts_of  # noqa: PLC0415 - as above
    from relay.commands.providers.lines import lines_of  # noqa: PLC0415
    from relay.commands.providers.rows import rows_of  # noqa: PLC0415

    (provider,) = _chosen([name])
    details = [{"what": what, "text": text} for what, text in rows_of(provider)]
    lines = lines_of(provider)
    if as_json:
        show_json(_row(facts_of(provider)) | {"lines": lines, "details": details})
        return
    tell(f"{provider.title}\n\n{lines}\n")
    for row in details:
        tell(f"{row['what']:<{WIDTH}}{row['text'].replace('`', '')}")


def try_presets(names: Names = None, as_json: AsJson = False) -> None:
    """Try presets here: sign what their senders send, and see that nothing else is taken.

    Keys are made up on the spot, and nothing is sent anywhere. Each is also held to the deliveries
    that its sender has published. Ends with 1 if one fails. proved by says with what else the
    preset was tested when it was made: unproven means with our own signing only.
    With --json an array of objects with the keys name, result (ok, failed or not tried),
    proved_by, examples, vectors, faults.
    """
    from relay.proving import prove  # noqa: PLC0415 - as above

    at = int(time.time())
    chosen = _chosen(names or list(PROVIDERS))
    proofs = [(provider, prove(provider, at)) for provider in chosen]
    show([_proof_row(*each, as_json=as_json) for each in proofs], PROOF_COLUMNS, as_json=as_json)
    failed = [proof.name for _, proof in proofs if proof.faults]
    if not as_json:
        tried = sum(not proof.missing for _, proof in proofs)
        unproven = sum(not provider.proved_by for provider in chosen)
        tell(f"{tried} tried, {len(failed)} failed, {len(chosen) - tried} not tried")
        tell(f"{unproven} are unproven: nobody else's signing was at hand to test them with")
    if failed:
        raise CommandFailed(f"These do not hold: {', '.join(failed)}")


def _chosen(names: Sequence[str]) -> list[Provider]:
    unknown = [name for name in names if name not in PROVIDERS]
    if unknown:
        raise CommandFailed(
            f"There is no preset {printable(unknown[0], 80)}; there are {', '.join(PROVIDERS)}. "
            "A sender without one: docs/how-to/add-a-sender.md",
            exit_code=WRONG_USAGE,
        )
    return [PROVIDERS[name] for name in names]


def _row(facts: "Facts") -> dict[str, object]:
    return {name: getattr(facts, name) for name in facts.__dataclass_fields__}


def _shown(row: dict[str, object]) -> dict[str, object]:
    """Say a row in fewer columns."""
    tolerance = row["tolerance_seconds"]
    return {
        "signed": [what for what in ("id", "type", "time") if row[f"{what}_signed"]],
        "tolerance": None if tolerance is None else f"{tolerance} s",
        "proved_by": row["proved_by"] or "unproven",
    }


def _proof_row(provider: Provider, proof: "Proof", *, as_json: bool) -> dict[str, object]:
    result = "not tried" if proof.missing else "failed" if proof.faults else "ok"
    by = provider.proved_by if as_json else provider.proved_by or "unproven"
    faults = [proof.missing] if proof.missing else list(proof.faults)
    return {
        "name": provider.name,
        "result": result,
        "proved_by": by,
        "examples": proof.examples,
        "vectors": proof.vectors,
        "faults": faults if as_json else "; ".join(faults) or None,
    }


app = typer.Typer(cls=_ByName)
app.callback(invoke_without_command=True)(providers)
app.command("show")(show_one)
app.command("test")(try_presets)
