-- row: one stated lease with the line to which the subscriber list gives the log's name for it (see login), else with that
--      name; `is_inside` where neither is more than the private address by which a translator's log names the line
-- build: view
SELECT
    s.ip_first, s.ip_last, s.port_first, s.port_last, coalesce(l.subscriber, s.name) AS subscriber, s.inner_key,
    s.inner_key IS NOT NULL AND l.subscriber IS NULL AS is_inside,
    s.start, s."end", s.kind, s.access_server, s.session, s.source
FROM stated_lease AS s
LEFT JOIN login AS l ON l.kind = 'lease' AND l.name = s.name
