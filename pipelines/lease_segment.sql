-- row: one address seen, a range of its ports, and a span of time through which the same subscribers held it
-- build: step
--
-- Segments of an address never overlap, so a flow meets one at most. Where leases of an address overlap in time, or are
-- of different ports, they are cut at every beginning and end (of ports and of time) of any of them.
-- `holders` above 1 marks what several subscribers held at once.
-- An address meets its own leases, those of the prefix it lies in within one /56 (14 digits), and wider ones.
WITH holding AS (
    SELECT a.ip_key, l.port_first, l.port_last, l.subscriber, l.start, l."end"
    FROM current_lease AS l
    JOIN line_address AS a ON l.ip_first = a.ip_key AND l.ip_last = l.ip_first
    UNION ALL
    SELECT a.ip_key, l.port_first, l.port_last, l.subscriber, l.start, l."end"
    FROM current_lease AS l
    JOIN line_address AS a ON left(l.ip_first, 14) = left(a.ip_key, 14)
    WHERE l.ip_first < l.ip_last AND left(l.ip_first, 14) = left(l.ip_last, 14)
        AND a.ip_key BETWEEN l.ip_first AND l.ip_last
    UNION ALL
    SELECT a.ip_key, l.port_first, l.port_last, l.subscriber, l.start, l."end"
    FROM current_lease AS l
    JOIN line_address AS a ON a.ip_key BETWEEN l.ip_first AND l.ip_last
    WHERE left(l.ip_first, 14) < left(l.ip_last, 14)
),
compared AS (
    SELECT
        *,
        count(*) OVER (
            PARTITION BY ip_key ORDER BY start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS leases_before,
        count("end") OVER (
            PARTITION BY ip_key ORDER BY start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS ends_before,
        max("end") OVER (
            PARTITION BY ip_key ORDER BY start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS end_before,
        lag(port_first) OVER (PARTITION BY ip_key ORDER BY start) AS port_first_before,
        lag(port_last) OVER (PARTITION BY ip_key ORDER BY start) AS port_last_before
    FROM holding
),
contested AS (
    SELECT DISTINCT ip_key
    FROM compared
    WHERE ends_before < leases_before OR start < end_before
        OR port_first <> port_first_before OR port_last <> port_last_before
),
disputed AS (
    SELECT h.* FROM holding AS h JOIN contested AS c ON c.ip_key = h.ip_key
),
port_edge AS (
    SELECT ip_key, port_first AS port FROM disputed
    UNION
    SELECT ip_key, port_last + 1 AS port FROM disputed
),
port_span AS (
    SELECT ip_key, port AS port_first, lead(port) OVER (PARTITION BY ip_key ORDER BY port) - 1 AS port_last
    FROM port_edge
),
part AS (
    SELECT p.ip_key, p.port_first, p.port_last, d.subscriber, d.start, d."end"
    FROM port_span AS p
    JOIN disputed AS d ON d.ip_key = p.ip_key AND d.port_first <= p.port_first AND d.port_last >= p.port_last
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
SELECT h.ip_key, h.port_first, h.port_last, h.start, h."end", h.subscriber, 1 AS holders
FROM holding AS h
LEFT JOIN contested AS c ON c.ip_key = h.ip_key
WHERE c.ip_key IS NULL
UNION ALL
SELECT
    t.ip_key, t.port_first, t.port_last, t.start, t."end",
    min(p.subscriber) AS subscriber,
    count(DISTINCT p.subscriber) AS holders
FROM time_span AS t
JOIN part AS p
    ON p.ip_key = t.ip_key AND p.port_first = t.port_first AND p.port_last = t.port_last
    AND p.start <= t.start AND (p."end" IS NULL OR p."end" > t.start)
GROUP BY t.ip_key, t.port_first, t.port_last, t.start, t."end"
