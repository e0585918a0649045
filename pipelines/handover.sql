-- row: one moment at which an address of a line, or a range of its ports, passed from one subscriber to another on the
--      day; until the `next` one, NULL where none follows
-- build: step
WITH compared AS (
    SELECT
        line, port_first, port_last, start, holder,
        lag(holder) OVER (PARTITION BY line, port_first, port_last ORDER BY start) AS holder_before
    FROM holding
    WHERE holder > 0
)
SELECT
    c.line, a.high, a.low, c.port_first, c.port_last, c.start AS "at",
    lead(c.start) OVER (PARTITION BY c.line, c.port_first, c.port_last ORDER BY c.start) AS next
FROM compared AS c
JOIN address AS a ON a.number = c.line
WHERE c.holder <> c.holder_before
