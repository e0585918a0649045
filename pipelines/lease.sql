-- row: one address, or part of one, held by one subscriber for one interval [start, "end"); open while "end" is NULL
-- build: whole
--
-- The log of an address translator (CGNAT) often names a line by its private address alone. Then the line is whoever
-- held that address by another lease log, and a port block counts for the time of that lease only: it is cut where the
-- address changes hands, and while nobody is known to hold it there is no row, so that flows stay unattributed. Two
-- holders at once give two rows, so that flows are ambiguous (the same private addresses behind two translators).
-- Only where no lease of any inside address is known, the translator's log being the sole source, the inside address
-- stands for the line, as addresses do in a lake without leases.
-- In the order of their beginnings, so that a day can leave unread what ends before it or begins after it.
WITH inside AS (
    SELECT DISTINCT inner_key FROM named_lease WHERE is_inside
),
-- An address meets its own leases, those of the prefix it lies in within one /56 (14 digits), and wider ones. A part of
-- an address, such as a port block, has no other addresses behind it.
holding AS (
    SELECT i.inner_key, h.subscriber, h.start, h."end"
    FROM inside AS i
    JOIN named_lease AS h ON h.ip_first = i.inner_key AND h.ip_last = h.ip_first
    WHERE h.kind <> 'cgnat' AND h.port_first = 0 AND h.port_last = 65535
    UNION ALL
    SELECT i.inner_key, h.subscriber, h.start, h."end"
    FROM inside AS i
    JOIN named_lease AS h ON left(h.ip_first, 14) = left(i.inner_key, 14)
    WHERE h.kind <> 'cgnat' AND h.port_first = 0 AND h.port_last = 65535
        AND h.ip_first < h.ip_last AND left(h.ip_first, 14) = left(h.ip_last, 14)
        AND i.inner_key BETWEEN h.ip_first AND h.ip_last
    UNION ALL
    SELECT i.inner_key, h.subscriber, h.start, h."end"
    FROM inside AS i
    JOIN named_lease AS h ON i.inner_key BETWEEN h.ip_first AND h.ip_last
    WHERE h.kind <> 'cgnat' AND h.port_first = 0 AND h.port_last = 65535
        AND left(h.ip_first, 14) < left(h.ip_last, 14)
),
known AS (
    SELECT count(*) AS leases FROM holding
)
SELECT
    ip_first, ip_last, port_first, port_last, subscriber, start, "end", kind, access_server, session, source
FROM named_lease
WHERE NOT is_inside
UNION ALL
SELECT
    b.ip_first, b.ip_last, b.port_first, b.port_last, h.subscriber,
    greatest(b.start, h.start) AS start,
    least(b."end", h."end") AS "end",
    b.kind, b.access_server, b.session, b.source
FROM named_lease AS b
JOIN holding AS h
    ON h.inner_key = b.inner_key
    AND (h."end" IS NULL OR h."end" > b.start) AND (b."end" IS NULL OR b."end" > h.start)
WHERE b.is_inside
UNION ALL
SELECT
    b.ip_first, b.ip_last, b.port_first, b.port_last, b.subscriber, b.start, b."end",
    b.kind, b.access_server, b.session, b.source
FROM named_lease AS b
CROSS JOIN known AS k
WHERE b.is_inside AND k.leases = 0
ORDER BY start, "end", ip_first, port_first
