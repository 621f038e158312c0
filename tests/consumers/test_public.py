"""The package's public names, each imported when it is asked for."""

import pytest

import consumers


@pytest.mark.parametrize("name", consumers.__all__)
def test_each_public_name_is_there(name: str) -> None:
    """Also where nobody has imported its own module before."""
    assert callable(getattr(consumers, name))


def test_an_unknown_name_is_said_as_of_any_module() -> None:
    """So that an import of it fails as one does; the types must say so too."""
    with pytest.raises(AttributeError, match=r"'consumers' has no attribute 'Wroker'"):
        _ = consumers.Wroker  # type: ignore[attr-defined]


def test_a_shell_offers_every_public_name() -> None:
    """Before any of them was asked for, too."""
    assert set(consumers.__all__) <= set(dir(consumers))
