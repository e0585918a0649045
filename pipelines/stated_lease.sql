-- row: one address, or part of one, held for one interval [start, "end"), by whom the lease log names; open while "end"
--      is NULL
-- build: whole
--
-- A lease log states the same session several times (start, interim, stop), in files that may come late or twice.
-- A session begins at its start record, else at the earliest beginning another record implies. It ends at its stop
-- record; else when its access server lost all sessions after its last record (RADIUS Accounting-On/-Off) or gave its
-- identifier to another. Where the access server gave its address to another after its last record, it ends with that
-- other session at the latest: while both may last it is not known whose the address is, and then it was free.
-- DHCP and CGNAT logs state when a lease would expire: a stop before that counts, and so does the moment at which the
-- same address and ports are given to somebody else, or released by a record that names no lease.
-- An assignment (static, MAP-E) without a beginning has always been there: it starts with 1970.
-- An address that only later records name is taken as held from the beginning.
-- Access servers use identifiers again: a record whose session began more than 5 minutes after all records before
-- speaks of a new one (clocks and counters differ by seconds), and so does one that began after its access server lost
-- all sessions, when they began before that. A record without an identifier stands for itself.
WITH stated AS (
    SELECT
        *,
        coalesce(start, CASE WHEN kind IN ('static', 'map-e') THEN TIMESTAMP '1970-01-01 00:00:00' ELSE "at" END) AS begun,
        coalesce(
            session,
            ip_first || ' ' || CAST(port_first AS VARCHAR) || ' ' || CAST(coalesce(start, "at") AS VARCHAR)
        ) AS session_key
    FROM lease_record
    WHERE event <> 'reset' AND subscriber IS NOT NULL AND NOT (event = 'stop' AND session IS NULL AND start IS NULL)
),
restart AS (
    SELECT access_server, "at", lead("at") OVER (PARTITION BY access_server ORDER BY "at") AS next
    FROM lease_record
    WHERE event = 'reset'
),
spread AS (
    SELECT kind, access_server, session_key, subscriber, min(start) AS first, max(start) AS last
    FROM stated
    WHERE session IS NOT NULL
    GROUP BY kind, access_server, session_key, subscriber
    HAVING max(start) > min(start)
),
-- Hardly any identifier is used again; only those that may be go through the windows below.
used_again AS (
    SELECT kind, access_server, session_key, subscriber
    FROM spread
    WHERE last > first + INTERVAL 5 MINUTE
    UNION
    SELECT s.kind, s.access_server, s.session_key, s.subscriber
    FROM spread AS s
    JOIN restart AS r ON r.access_server = s.access_server AND r."at" > s.first AND r."at" <= s.last
),
compared AS (
    SELECT
        s.*,
        r."at" AS restarted,
        max(s.start) OVER (
            PARTITION BY s.kind, s.access_server, s.session_key, s.subscriber
            ORDER BY s.begun, s."at" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS begun_before
    FROM stated AS s
    JOIN used_again AS u
        ON u.kind = s.kind AND u.access_server IS NOT DISTINCT FROM s.access_server
        AND u.session_key = s.session_key AND u.subscriber = s.subscriber
    LEFT JOIN restart AS r
        ON r.access_server = s.access_server AND r."at" <= s.start AND (r.next IS NULL OR s.start < r.next)
),
numbered AS (
    SELECT
        kind, access_server, session_key, subscriber, event, "at", start, begun, "end",
        ip_first, ip_last, port_first, port_last, inner_key, session, source,
        sum(CASE WHEN start > begun_before + INTERVAL 5 MINUTE OR restarted > begun_before THEN 1 ELSE 0 END) OVER (
            PARTITION BY kind, access_server, session_key, subscriber
            ORDER BY begun, "at" ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS use
    FROM compared
    UNION ALL
    SELECT
        s.kind, s.access_server, s.session_key, s.subscriber, s.event, s."at", s.start, s.begun, s."end",
        s.ip_first, s.ip_last, s.port_first, s.port_last, s.inner_key, s.session, s.source,
        0 AS use
    FROM stated AS s
    LEFT JOIN used_again AS u
        ON u.kind = s.kind AND u.access_server IS NOT DISTINCT FROM s.access_server
        AND u.session_key = s.session_key AND u.subscriber = s.subscriber
    WHERE u.kind IS NULL
),
held AS (
    SELECT
        kind, access_server, session_key, subscriber, use,
        coalesce(min(CASE WHEN event = 'start' THEN start END), min(start), min(begun)) AS start,
        max(CASE WHEN event = 'stop' THEN "end" END) AS ended,
        max("end") AS expires,
        max("at") AS last_told
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
    JOIN lease_record AS r
        ON r.access_server = h.access_server AND r.event = 'reset' AND r."at" > h.start AND r."at" >= h.last_told
    WHERE h.ended IS NULL
    GROUP BY h.kind, h.access_server, h.session_key, h.subscriber, h.use
),
address AS (
    SELECT
        kind, access_server, session_key, subscriber, use, ip_first, ip_last, port_first, port_last,
        min(inner_key) AS inner_key, min(session) AS session, min(source) AS source
    FROM numbered
    WHERE ip_first IS NOT NULL
    GROUP BY kind, access_server, session_key, subscriber, use, ip_first, ip_last, port_first, port_last
),
leased AS (
    SELECT
        h.kind, h.access_server, h.session_key, h.subscriber, h.use, h.start, h.ended, h.expires, h.last_told, h.next_start,
        a.ip_first, a.ip_last, a.port_first, a.port_last, a.inner_key, a.session, a.source
    FROM address AS a
    JOIN followed AS h
        ON h.kind = a.kind AND h.access_server IS NOT DISTINCT FROM a.access_server
        AND h.session_key = a.session_key AND h.subscriber = a.subscriber AND h.use = a.use
),
-- Addresses given and released (`asks` 0), and leases that no record ends (1), which the first `until` of those that
-- come after them ends. RADIUS sessions meet those of their own access server only: two of them may use the same
-- private addresses at once.
turn AS (
    SELECT
        kind, CASE WHEN kind = 'radius' THEN access_server END AS giver, ip_first, ip_last, port_first, port_last,
        start AS "at", CASE WHEN kind = 'radius' THEN ended ELSE start END AS until,
        0 AS asks, NULL AS access_server, NULL AS session_key, NULL AS subscriber, NULL AS use
    FROM leased
    WHERE kind IN ('dhcp', 'cgnat') OR (kind = 'radius' AND access_server IS NOT NULL)
    UNION ALL
    SELECT
        kind, NULL AS giver, ip_first, ip_last, port_first, port_last,
        "at", "at" AS until, 0 AS asks, NULL AS access_server, NULL AS session_key, NULL AS subscriber, NULL AS use
    FROM lease_record
    WHERE event = 'stop' AND session IS NULL AND start IS NULL AND ip_first IS NOT NULL
    UNION ALL
    SELECT
        kind, CASE WHEN kind = 'radius' THEN access_server END AS giver, ip_first, ip_last, port_first, port_last,
        CASE WHEN kind = 'radius' THEN last_told ELSE start END AS "at", NULL AS until,
        1 AS asks, access_server, session_key, subscriber, use
    FROM leased
    WHERE ended IS NULL AND (kind IN ('dhcp', 'cgnat') OR (kind = 'radius' AND access_server IS NOT NULL))
),
given AS (
    SELECT
        *,
        min(until) OVER (
            PARTITION BY kind, giver, ip_first, ip_last, port_first, port_last ORDER BY "at", asks
            ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS next_at
    FROM turn
)
SELECT
    l.ip_first, l.ip_last, l.port_first, l.port_last, l.subscriber AS name, l.inner_key,
    l.start,
    coalesce(l.ended, least(l.expires, r."at", l.next_start, g.next_at)) AS "end",
    l.kind, l.access_server, l.session, l.source
FROM leased AS l
LEFT JOIN reset AS r
    ON r.kind = l.kind AND r.access_server = l.access_server
    AND r.session_key = l.session_key AND r.subscriber = l.subscriber AND r.use = l.use
LEFT JOIN given AS g
    ON g.asks = 1 AND g.kind = l.kind AND g.access_server IS NOT DISTINCT FROM l.access_server
    AND g.session_key = l.session_key AND g.subscriber = l.subscriber AND g.use = l.use
    AND g.ip_first = l.ip_first AND g.ip_last = l.ip_last AND g.port_first = l.port_first AND g.port_last = l.port_last
