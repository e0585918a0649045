"""pipelines/destination.sql: whose mail server an address is, on the day."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import SETTINGS
from tests.pipelines.rows import flow, load, new_workspace

NETWORKS = """
[[destinations]]
name = "Wide"
group = "known-provider"
networks = ["192.0.2.0/24", "203.0.113.0/24", "2001:db8:ffff::/48"]
[[destinations]]
name = "Narrow"
group = "mobile-carrier"
networks = ["192.0.2.128/25", "2001:db8:ffff:1::/64"]
[[destinations]]
name = "Dated"
group = "mobile-carrier"
networks = ["192.0.2.64/26"]
valid_from = 2007-06-02
valid_until = 2007-06-02
"""


@pytest.mark.parametrize(("server", "when", "expected"), [
    pytest.param("192.0.2.1:25", "12:00", ("known-provider", "Wide"), id="in one network"),
    pytest.param("192.0.2.200:25", "12:00", ("mobile-carrier", "Narrow"), id="the most specific network wins"),
    pytest.param("192.0.2.127:25", "2007-06-01 23:59:59", ("known-provider", "Wide"), id="the day before it is valid"),
    pytest.param("192.0.2.127:25", "00:00:00", ("mobile-carrier", "Dated"), id="its first local second"),
    pytest.param("192.0.2.127:25", "23:59:59", ("mobile-carrier", "Dated"), id="its last local second"),
    pytest.param("192.0.2.127:25", "2007-06-03 00:00:00", ("known-provider", "Wide"), id="the day after"),
    pytest.param("203.0.113.1:25", "12:00", ("own-relay", "own relay"), id="own relay before a provider"),
    pytest.param("203.0.113.16:25", "12:00", ("known-provider", "Wide"), id="just outside the relays"),
    pytest.param("2001:db8:ffff:1::25#25", "12:00", ("mobile-carrier", "Narrow"), id="IPv6, most specific"),
    pytest.param("2001:db8:ffff:2::25#25", "12:00", ("known-provider", "Wide"), id="IPv6"),
    pytest.param("192.0.3.1:25", "12:00", ("other", None), id="unknown"),
])
def test_group(tmp_path: Path, server: str, when: str, expected: tuple[str, str | None]) -> None:
    opened = new_workspace(tmp_path, SETTINGS + NETWORKS)
    line = "2001:db8:100::1#4000" if "#" in server else "198.18.0.1:4000"
    load(opened, "flow", [flow(line, server, when), flow(server, line, when)])
    opened.build()
    assert opened.sql("SELECT destination_group, name FROM destination").rows() == [expected]
    assert opened.sql("SELECT destination_group, name FROM peer_day").rows() == [expected]


def test_organisation_is_the_name_or_the_neighbourhood(tmp_path: Path) -> None:
    opened = new_workspace(tmp_path, SETTINGS + NETWORKS)
    servers = ["192.0.2.1:25", "192.0.3.1:25", "192.0.3.200:25", "192.0.4.1:25"]
    load(opened, "flow", [flow("198.18.0.1:4000", server, "12:00") for server in servers])
    opened.build()
    assert opened.sql("SELECT count(*) FROM (SELECT DISTINCT organisation FROM destination) AS o").item() == 3
