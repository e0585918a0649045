-- row: one address, or part of one, held by one subscriber for one interval [start, "end"); open while "end" is NULL
-- build: whole
--
-- A lease log states the same session several times (start, interim, stop), in files that may come late or twice.
-- A session begins at its start record, else at the earliest beginning another record implies; it ends at its stop
-- record, else when its access server lost all sessions (RADIUS Accounting-On/-Off).
WITH session AS (
    SELECT
        kind, access_server, session, subscriber,
        coalesce(min(CASE WHEN event = 'start' THEN start END), min(start), min("at")) AS start,
        max("end") AS "end"
    FROM lease_record
    WHERE event <> 'reset'
    GROUP BY kind, access_server, session, subscriber
),
address AS (
    SELECT
        kind, access_server, session, subscriber, ip_first, ip_last, port_first, port_last, min(source) AS source
    FROM lease_record
    WHERE event <> 'reset' AND ip_first IS NOT NULL
    GROUP BY kind, access_server, session, subscriber, ip_first, ip_last, port_first, port_last
),
reset AS (
    SELECT s.kind, s.access_server, s.session, s.subscriber, min(r."at") AS "at"
    FROM session AS s
    JOIN lease_record AS r ON r.access_server = s.access_server AND r.event = 'reset' AND r."at" > s.start
    WHERE s."end" IS NULL
    GROUP BY s.kind, s.access_server, s.session, s.subscriber
),
-- The lease logs may name a line otherwise than the subscriber list does; a name that two lines claim stays as it is.
login AS (
    SELECT radius_user, min(subscriber) AS subscriber
    FROM subscriber
    WHERE radius_user IS NOT NULL
    GROUP BY radius_user
    HAVING count(*) = 1
)
SELECT
    a.ip_first, a.ip_last, a.port_first, a.port_last,
    coalesce(l.subscriber, s.subscriber) AS subscriber,
    s.start,
    coalesce(s."end", r."at") AS "end",
    s.kind,
    s.access_server,
    s.session,
    a.source
FROM address AS a
JOIN session AS s
    ON s.kind = a.kind AND s.access_server IS NOT DISTINCT FROM a.access_server
    AND s.session IS NOT DISTINCT FROM a.session AND s.subscriber = a.subscriber
LEFT JOIN reset AS r
    ON r.kind = s.kind AND r.access_server IS NOT DISTINCT FROM s.access_server
    AND r.session IS NOT DISTINCT FROM s.session AND r.subscriber = s.subscriber
LEFT JOIN login AS l ON l.radius_user = s.subscriber
