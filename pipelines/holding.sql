-- row: one line's address, a range of its ports and a span of time, and who held it then, by number (see holder); in a
--      lake without leases each address of a line, for all time
-- build: step
WITH known AS (SELECT count(*) AS leases FROM lease)
SELECT
    a.number AS line, a.high, a.low, s.port_first, s.port_last, s.start, s."end",
    CASE WHEN s.holders = 1 THEN h.number ELSE -1 END AS holder
FROM lease_segment AS s
JOIN address AS a ON a.ip_key = s.ip_key
JOIN holder AS h ON h.subscriber = s.subscriber
UNION ALL
SELECT
    a.number AS line, a.high, a.low, 0 AS port_first, 65535 AS port_last,
    TIMESTAMP '0001-01-01 00:00:00' AS start, NULL AS "end",
    h.number AS holder
FROM address AS a
JOIN holder AS h ON h.subscriber = a.ip
CROSS JOIN known AS k
WHERE k.leases = 0 AND a.is_line
