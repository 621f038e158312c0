"""``python -m relay.processes N``: starts one gateway process; see `relay.processes.child`."""

from relay.contract.importing import importing


def main() -> None:
    """Import what the process needs, which is most of its start, and run it."""
    with importing():
        from relay.processes.child import main as run  # noqa: PLC0415
    run()


if __name__ == "__main__":
    main()
