"""A simulated ISP with known truth, written as the raw logs of real programs (`op25b synth`).

`write` makes a workspace: settings, networks, subscribers, flow records of every access node, the log of the sending
server, RADIUS accounting, and `truth.csv`. Every parameter of the world is in `parameters.toml`.
"""

from __future__ import annotations

from op25b.synth.writing import FORMS, START, Written, write

__all__ = ["FORMS", "START", "Written", "write"]
