"""The prose of the reports (`words.toml`), in Japanese and English."""

from __future__ import annotations

import tomllib
from pathlib import Path

from op25b.texts import Text

_WORDS: dict[str, dict[str, Text]] = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))

REPORT, SECTIONS, LEADS = _WORDS["report"], _WORDS["sections"], _WORDS["leads"]
COLUMNS, NOTES, LIMITS = _WORDS["columns"], _WORDS["notes"], _WORDS["limits"]
SEVERITIES, TABLES, RULES = _WORDS["severities"], _WORDS["tables"], _WORDS["rules"]
LENGTHS, BINS = _WORDS["lengths"], {int(seconds): words for seconds, words in _WORDS["bins"].items()}

_NUMBER = r"(-?[\d.,]+(?: ?[%\w]+)?)"
# What the gates say of their numbers, in Japanese; the first pattern that fits a whole text.
PHRASES: tuple[tuple[str, str], ...] = (
    (r"at least (.+)", r"\1以上"),
    (r"at most (.+)", r"\1以下"),
    (f"{_NUMBER} to {_NUMBER}", r"\1 ～ \2"),
    (r"none", "なし"),
    (r"no rows", "対象なし"),
    (r"([\d,]+) rows", r"\1行"),
    (r"not null", "空欄なし"),
    (r"unique", "重複なし"),
    (r"(\w+) or (\w+)", r"\1または\2"),
)
