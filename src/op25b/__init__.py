"""Which paying customers lose which working mail when Outbound Port 25 Blocking is extended."""
