-- row: one address seen, a range of its ports, and a span of time through which the same subscribers held it
-- build: view
--
-- Leases are cut at every beginning and end (of ports and of time) of any lease of the same address, so that the
-- segments of an address never overlap and a flow meets one at most. `holders` above 1 marks overlapping leases.
WITH holding AS (
    SELECT a.ip_key, l.port_first, l.port_last, l.subscriber, l.start, l."end"
    FROM line_address AS a
    JOIN lease AS l ON l.ip_first = a.ip_key AND l.ip_last = l.ip_first
    CROSS JOIN build_window AS w
    WHERE l.start < w.until AND (l."end" IS NULL OR l."end" > w.since)
    UNION ALL
    SELECT a.ip_key, l.port_first, l.port_last, l.subscriber, l.start, l."end"
    FROM line_address AS a
    JOIN lease AS l ON l.ip_first <= a.ip_key AND a.ip_key <= l.ip_last
    CROSS JOIN build_window AS w
    WHERE l.ip_first < l.ip_last AND l.start < w.until AND (l."end" IS NULL OR l."end" > w.since)
),
port_edge AS (
    SELECT ip_key, port_first AS port FROM holding
    UNION
    SELECT ip_key, port_last + 1 AS port FROM holding
),
port_span AS (
    SELECT ip_key, port AS port_first, lead(port) OVER (PARTITION BY ip_key ORDER BY port) - 1 AS port_last
    FROM port_edge
),
part AS (
    SELECT p.ip_key, p.port_first, p.port_last, h.subscriber, h.start, h."end"
    FROM port_span AS p
    JOIN holding AS h ON h.ip_key = p.ip_key AND h.port_first <= p.port_first AND h.port_last >= p.port_last
),
time_edge AS (
    SELECT ip_key, port_first, port_last, start AS "at" FROM part
    UNION
    SELECT ip_key, port_first, port_last, "end" AS "at" FROM part WHERE "end" IS NOT NULL
),
time_span AS (
    SELECT
        ip_key, port_first, port_last, "at" AS start,
        lead("at") OVER (PARTITION BY ip_key, port_first, port_last ORDER BY "at") AS "end"
    FROM time_edge
)
SELECT
    t.ip_key, t.port_first, t.port_last, t.start, t."end",
    min(h.subscriber) AS subscriber,
    count(DISTINCT h.subscriber) AS holders
FROM time_span AS t
JOIN part AS h
    ON h.ip_key = t.ip_key AND h.port_first = t.port_first AND h.port_last = t.port_last
    AND h.start <= t.start AND (h."end" IS NULL OR h."end" > t.start)
GROUP BY t.ip_key, t.port_first, t.port_last, t.start, t."end"
