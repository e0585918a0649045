"""The page on policies: its example loads, is clean, and does what the page says."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

import pytest

from op25b.api import OpenWorkspace
from op25b.policy import Connection, decide_session, policy, resolve
from op25b.policy.acl import Scope, access_list
from op25b.policy.sql import PolicyError
from tests.conftest import ROOT


def test_the_example(workspace: Callable[..., OpenWorkspace]) -> None:
    page = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    opened = workspace(settings=example)
    assert opened.lint("staged").filter(severity="error").is_empty()
    resolved = resolve(policy(opened.workspace, "staged"), opened.workspace)
    line = Connection("other", 25, access_node="okayama-1", source_port=40000)
    assert decide_session(resolved, line, datetime(2007, 7, 31, 18)).action == "allow"
    assert decide_session(resolved, line, datetime(2007, 7, 31, 19)).rule == "everybody"
    with pytest.raises(PolicyError, match="is about plans, and no subscriber list"):
        access_list(opened.workspace, resolved, scope=Scope())
