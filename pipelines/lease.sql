-- row: one address, or part of one, held by one subscriber for one interval [start, "end"); open while "end" is NULL
-- build: whole
--
-- The line is the one to which the subscriber list gives the log's name for it (see login), else that name itself.
--
-- The log of an address translator (CGNAT) often names a line by its private address alone. Then the line is whoever
-- held that address by another lease log, and a port block counts for the time of that lease only: it is cut where the
-- address changes hands, and while nobody is known to hold it there is no row, so that flows stay unattributed. Two
-- holders at once give two rows, so that flows are ambiguous (the same private addresses behind two translators).
-- Only where no lease of any inside address is known, the translator's log being the sole source, the inside address
-- stands for the line, as addresses do in a lake without leases.
WITH named AS (
    SELECT s.*, coalesce(l.subscriber, s.name) AS subscriber, s.inner_key IS NOT NULL AND l.subscriber IS NULL AS is_inside
    FROM stated_lease AS s
    LEFT JOIN login AS l ON l.kind = 'lease' AND l.name = s.name
),
block AS (
    SELECT * FROM named WHERE is_inside
),
inside AS (
    SELECT DISTINCT inner_key FROM block
),
holder AS (
    SELECT ip_first, ip_last, subscriber, start, "end"
    FROM named
    WHERE kind <> 'cgnat' AND port_first = 0 AND port_last = 65535
),
-- An address meets its own leases, those of the prefix it lies in within one /56 (14 digits), and wider ones.
holding AS (
    SELECT i.inner_key, h.subscriber, h.start, h."end"
    FROM inside AS i
    JOIN holder AS h ON h.ip_first = i.inner_key AND h.ip_last = h.ip_first
    UNION ALL
    SELECT i.inner_key, h.subscriber, h.start, h."end"
    FROM inside AS i
    JOIN holder AS h ON left(h.ip_first, 14) = left(i.inner_key, 14)
    WHERE h.ip_first < h.ip_last AND left(h.ip_first, 14) = left(h.ip_last, 14)
        AND i.inner_key BETWEEN h.ip_first AND h.ip_last
    UNION ALL
    SELECT i.inner_key, h.subscriber, h.start, h."end"
    FROM inside AS i
    JOIN holder AS h ON i.inner_key BETWEEN h.ip_first AND h.ip_last
    WHERE left(h.ip_first, 14) < left(h.ip_last, 14)
),
known AS (
    SELECT count(*) AS leases FROM holding
)
SELECT
    ip_first, ip_last, port_first, port_last, subscriber, start, "end", kind, access_server, session, source
FROM named
WHERE NOT is_inside
UNION ALL
SELECT
    b.ip_first, b.ip_last, b.port_first, b.port_last, h.subscriber,
    greatest(b.start, h.start) AS start,
    least(b."end", h."end") AS "end",
    b.kind, b.access_server, b.session, b.source
FROM block AS b
JOIN holding AS h
    ON h.inner_key = b.inner_key
    AND (h."end" IS NULL OR h."end" > b.start) AND (b."end" IS NULL OR b."end" > h.start)
UNION ALL
SELECT
    b.ip_first, b.ip_last, b.port_first, b.port_last, b.subscriber, b.start, b."end",
    b.kind, b.access_server, b.session, b.source
FROM block AS b
CROSS JOIN known AS k
WHERE k.leases = 0
