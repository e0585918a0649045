-- row: one address seen in the TCP flow records of a day and two hours around it, numbered in the order of its key
-- build: day
-- margin: 2 hours
--
-- Tables of the day are joined and grouped by `number`, which is sooner done than by the 32 digits of a key.
-- `is_line`: it lies in the subscribers' networks; own relays inside those networks are no lines.
-- `is_server`: a record of the day itself shows it as the one that is connected to.
WITH seen AS (
    SELECT ip_key, any_value(ip) AS ip, max(server) AS server
    FROM (
        SELECT f.src_key AS ip_key, f.src_ip AS ip, CASE WHEN f.is_reply AND f.day = w.day THEN 1 ELSE 0 END AS server
        FROM ported_flow AS f
        CROSS JOIN build_window AS w
        UNION ALL
        SELECT f.dst_key AS ip_key, f.dst_ip AS ip, CASE WHEN f.is_reply OR f.day <> w.day THEN 0 ELSE 1 END AS server
        FROM ported_flow AS f
        CROSS JOIN build_window AS w
    ) AS side
    GROUP BY ip_key
),
own AS (
    SELECT DISTINCT s.ip_key
    FROM seen AS s
    JOIN network AS own ON own.role = 'subscriber' AND s.ip_key BETWEEN own.key_first AND own.key_last
    LEFT JOIN network AS relay ON relay.role = 'relay' AND s.ip_key BETWEEN relay.key_first AND relay.key_last
    WHERE relay.role IS NULL
)
SELECT
    w.day, CAST(row_number() OVER (ORDER BY s.ip_key) AS INTEGER) AS number, s.ip_key, s.ip,
    s.server = 1 AS is_server, o.ip_key IS NOT NULL AS is_line
FROM seen AS s
LEFT JOIN own AS o ON o.ip_key = s.ip_key
CROSS JOIN build_window AS w
