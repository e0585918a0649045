"""Which paying customers lose which working mail when Outbound Port 25 Blocking is extended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from op25b.api import OpenWorkspace
    from op25b.api import open_workspace as open  # noqa: A004  # op25b.open(path), like other data packages

__version__ = "0.1.0"
__all__ = ["OpenWorkspace", "__version__", "charts", "open"]


def __getattr__(name: str) -> Any:
    """Load the API when it is first used, so that `import op25b` and `op25b --help` stay quick."""
    import importlib

    if name in {"open", "OpenWorkspace"}:
        api = importlib.import_module("op25b.api")
        return api.open_workspace if name == "open" else api.OpenWorkspace
    if name == "charts":
        return importlib.import_module("op25b.charts")
    msg = f"module 'op25b' has no attribute {name!r}"
    raise AttributeError(msg)
