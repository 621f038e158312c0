"""Values as TOML, each on one line."""

from collections.abc import Mapping


def key_text(key: str) -> str:
    """Write a key, in quotes where it needs them."""
    from tomlkit import key as written  # noqa: PLC0415 - takes longer to import than commands run

    return written(key).as_string()


def value_text(value: object) -> str:
    """Write a value on one line: mappings as inline tables, tuples as arrays."""
    from tomlkit import item  # noqa: PLC0415 - takes longer to import than commands run

    if isinstance(value, Mapping):
        said = ", ".join(f"{key_text(key)} = {value_text(each)}" for key, each in value.items())
        return f"{{ {said} }}" if said else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(value_text(each) for each in value)}]"
    return item(value).as_string()
