"""Pseudonyms: keyed, stable, and only with a key that others cannot read."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import polars as pl
import pytest

from op25b.errors import SettingsError
from op25b.pseudonyms import Pseudonyms, is_pseudonym

KEY = bytes(range(32))


def test_a_pseudonym_is_the_start_of_an_hmac_sha256() -> None:
    expected = "p" + hmac.new(KEY, b"ME0002001", hashlib.sha256).hexdigest()[:20]
    assert Pseudonyms(KEY).of("ME0002001") == expected
    assert is_pseudonym(expected)
    assert not is_pseudonym("ME0002001")


def test_another_key_gives_other_pseudonyms() -> None:
    assert Pseudonyms(KEY).of("a") != Pseudonyms(KEY[::-1]).of("a")


def test_a_chain_of_keys_is_the_pseudonym_of_the_pseudonym() -> None:
    old, new = KEY, KEY[::-1]
    assert Pseudonyms(old, new).of("ME0002001") == Pseudonyms(new).of(Pseudonyms(old).of("ME0002001"))
    assert is_pseudonym(Pseudonyms(old, new).of("ME0002001"))


def test_columns_are_replaced_and_null_stays_null() -> None:
    names = Pseudonyms(KEY)
    frame = pl.DataFrame({"user": ["a", None, "b", "a"], "n": [1, 2, 3, 4]})
    assert names.replace(frame, ["user", "absent"]).to_dicts() == [
        {"user": names.of("a"), "n": 1}, {"user": None, "n": 2}, {"user": names.of("b"), "n": 3},
        {"user": names.of("a"), "n": 4},
    ]


def test_a_new_key_is_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = Pseudonyms.create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Pseudonyms.load(path).of("x") == made.of("x")
    with pytest.raises(FileExistsError):
        Pseudonyms.create(path)


@pytest.mark.parametrize(("content", "mode", "message"), [
    ("00" * 32, 0o640, "others can read"), ("00" * 32, 0o604, "chmod 600"), ("zz", 0o600, "not a key"),
    ("00ff", 0o600, "not a key"), (None, None, "missing"),
])
def test_bad_keys_are_refused(tmp_path: Path, content: str | None, mode: int | None, message: str) -> None:
    path = tmp_path / "key"
    if content is not None and mode is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(SettingsError, match=message):
        Pseudonyms.load(path)
