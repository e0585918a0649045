"""Files that come with op25b: at the top of a checkout, under `assets/` in an installed wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = {"pipelines": "pipelines", "expectations": "expectations", "notebooks": "notebooks",
             "reference": "data/reference"}


def directory(name: Literal["pipelines", "expectations", "notebooks", "reference"]) -> Path:
    """The directory of one kind of asset."""
    installed = _PACKAGE / "assets" / name
    return installed if installed.is_dir() else _PACKAGE.parents[1] / _CHECKOUT[name]
