-- row: one subscriber that held an address on a day, and its number on that day; in a lake without leases each address
--      of a line stands for a subscriber; number 0 is nobody (no lease), -1 several at once (overlapping leases)
-- build: day
--
-- Tables of the day are grouped by `number`: sooner done than by text. `attribution` is that of a session of the
-- holder: attributed, unattributed, ambiguous, or address where an address stands for the subscriber.
WITH known AS (SELECT count(*) AS leases FROM lease),
held AS (
    SELECT DISTINCT subscriber, 'attributed' AS attribution FROM current_lease
    UNION ALL
    SELECT a.ip AS subscriber, 'address' AS attribution
    FROM address AS a
    CROSS JOIN known AS k
    WHERE k.leases = 0 AND a.is_line
)
SELECT w.day, CAST(row_number() OVER (ORDER BY h.subscriber) AS INTEGER) AS number, h.subscriber, h.attribution
FROM held AS h
CROSS JOIN build_window AS w
UNION ALL
SELECT day, 0 AS number, NULL AS subscriber, 'unattributed' AS attribution FROM build_window
UNION ALL
SELECT day, -1 AS number, NULL AS subscriber, 'ambiguous' AS attribution FROM build_window
