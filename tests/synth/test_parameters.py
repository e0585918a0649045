"""The parameter file: complete, explained, and strict about what is changed."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from op25b.errors import SettingsError
from op25b.synth.parameters import load

TEXT = files("op25b.synth").joinpath("parameters.toml").read_text(encoding="utf-8")


def test_every_parameter_has_a_reason() -> None:
    """Each key has a comment on its line or on the lines right above it."""
    bare, explained = [], False
    for line in TEXT.splitlines():
        is_comment = line.lstrip().startswith("#")
        if " = " in line and not is_comment:
            explained = explained or "#" in line
            if not explained:
                bare.append(line)
            # A reason holds for a line and its neighbours until a blank line.
        elif is_comment or line.startswith("["):
            explained = "#" in line
        elif not line.strip():
            explained = False
    assert bare == []
    assert len([line for line in TEXT.splitlines() if "assumed" in line]) > 50


def test_single_keys_are_replaced(tmp_path: Path) -> None:
    file = tmp_path / "changes.toml"
    file.write_text("[bots]\nshare = 0.5\n")
    changed, usual = load(file), load()
    assert changed.bots.share == 0.5
    assert changed.bots.model_dump() | {"share": usual.bots.share} == usual.bots.model_dump()
    assert changed.model_copy(update={"bots": usual.bots}) == usual


@pytest.mark.parametrize(("changes", "said"), [
    ({"bots": {"shar": 0.1}}, r"unknown parameter 'bots.shar'; did you mean 'share'"),
    ({"bot": {"share": 0.1}}, r"unknown parameter 'bot'; did you mean 'bots'"),
    ({"bots": 3}, "bots is a table"),
    ({"bots": {"share": 1.5}}, r"bots.share: Input should be less than or equal to 1"),
    ({"bots": {"share": -0.1}}, "bots.share"), ({"bots": {"share": float("nan")}}, "bots.share"),
    ({"bots": {"share": "many"}}, "bots.share"), ({"bots": {"share": None}}, "bots.share"),
    ({"bots": {"dead_share": 0.9, "refused_share": 0.9}}, r"dead_share \+ refused_share .* is more than 1"),
    ({"bots": {"bursts_per_day": 1e300}}, "bots.bursts_per_day"),
    ({"rhythm": {"office": [1, 2]}}, "rhythm.office"), ({"rhythm": {"office": [0] * 24}}, "rhythm.office: all weights"),
    ({"tcp": {"windows_syn": [3, 9]}}, "begin with 0"), ({"tcp": {"linux_syn": [0, 9, 3]}}, "begin with 0"),
    ({"internet": {"provider_weights": [1]}}, "internet.provider_weights"),
    ({"access": {"edges": 0}}, "access.edges"), ({"access": {"edges": 2.5}}, "access.edges"),
])
def test_what_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load(changes)


@pytest.mark.parametrize(("text", "said"), [("[bots", "not valid TOML"), ("\xff\xfe", "not valid TOML")])
def test_a_broken_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "broken.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=f"broken.toml.*{said}"):
        load(file)
    with pytest.raises(SettingsError, match=r"none\.toml: cannot be read"):
        load(tmp_path / "none.toml")


_VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.floats()))
_KEYS = [(section, key) for section, keys in tomllib.loads(TEXT).items() for key in keys]


@given(key=st.sampled_from(_KEYS), value=_VALUES)
def test_any_value_is_taken_or_refused_in_words(key: tuple[str, str], value: object) -> None:
    section, name = key
    said, taken = "", None
    try:
        taken = load({section: {name: value}})
    except SettingsError as error:
        said = str(error)
    assert (taken is None) == (section in said)
    assert taken is None or getattr(getattr(taken, section), name) is not None
