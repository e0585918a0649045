-- row: one address, or part of one, held by one subscriber for one interval [start, "end"); open while "end" is NULL
-- build: whole
--
-- A lease log states the same session several times (start, interim, stop), in files that may come late or twice.
-- A session begins at its start record, else at the earliest beginning another record implies. It ends at its stop
-- record; else when its access server lost all sessions (RADIUS Accounting-On/-Off) or gave its identifier to another.
-- An address that only later records name is taken as held from the beginning.
-- Access servers use identifiers again: a record whose session began more than 5 minutes after all records before
-- speaks of a new one (clocks and counters differ by seconds). A record without an identifier stands for itself.
WITH stated AS (
    SELECT
        *,
        coalesce(start, "at") AS begun,
        coalesce(
            session,
            ip_first || ' ' || CAST(port_first AS VARCHAR) || ' ' || CAST(coalesce(start, "at") AS VARCHAR)
        ) AS session_key
    FROM lease_record
    WHERE event <> 'reset' AND subscriber IS NOT NULL
),
compared AS (
    SELECT
        *,
        max(start) OVER (
            PARTITION BY kind, access_server, session_key, subscriber
            ORDER BY begun, "at" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS begun_before
    FROM stated
),
numbered AS (
    SELECT
        *,
        sum(CASE WHEN start > begun_before + INTERVAL 5 MINUTE THEN 1 ELSE 0 END) OVER (
            PARTITION BY kind, access_server, session_key, subscriber
            ORDER BY begun, "at" ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS use
    FROM compared
),
held AS (
    SELECT
        kind, access_server, session_key, subscriber, use,
        coalesce(min(CASE WHEN event = 'start' THEN start END), min(start), min("at")) AS start,
        max("end") AS "end"
    FROM numbered
    GROUP BY kind, access_server, session_key, subscriber, use
),
followed AS (
    SELECT
        *,
        CASE WHEN access_server IS NOT NULL THEN
            lead(start) OVER (PARTITION BY kind, access_server, session_key ORDER BY start, subscriber)
        END AS next_start
    FROM held
),
reset AS (
    SELECT h.kind, h.access_server, h.session_key, h.subscriber, h.use, min(r."at") AS "at"
    FROM held AS h
    JOIN lease_record AS r ON r.access_server = h.access_server AND r.event = 'reset' AND r."at" > h.start
    WHERE h."end" IS NULL
    GROUP BY h.kind, h.access_server, h.session_key, h.subscriber, h.use
),
address AS (
    SELECT
        kind, access_server, session_key, subscriber, use, ip_first, ip_last, port_first, port_last,
        min(session) AS session, min(source) AS source
    FROM numbered
    WHERE ip_first IS NOT NULL
    GROUP BY kind, access_server, session_key, subscriber, use, ip_first, ip_last, port_first, port_last
)
SELECT
    a.ip_first, a.ip_last, a.port_first, a.port_last,
    -- The lease logs may name a line otherwise than the subscriber list does.
    coalesce(l.subscriber, h.subscriber) AS subscriber,
    h.start,
    coalesce(h."end", least(r."at", h.next_start)) AS "end",
    h.kind, h.access_server, a.session, a.source
FROM address AS a
JOIN followed AS h
    ON h.kind = a.kind AND h.access_server IS NOT DISTINCT FROM a.access_server
    AND h.session_key = a.session_key AND h.subscriber = a.subscriber AND h.use = a.use
LEFT JOIN reset AS r
    ON r.kind = h.kind AND r.access_server = h.access_server
    AND r.session_key = h.session_key AND r.subscriber = h.subscriber AND r.use = h.use
LEFT JOIN login AS l ON l.kind = 'radius' AND l.name = h.subscriber
