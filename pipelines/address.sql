-- row: one address seen in the TCP flow records of a day and two hours around it, and its number on that day
-- build: day
-- margin: 2 hours
--
-- Tables of the day are joined and grouped by `number`, which is sooner done than by two times 64 bits or by text.
-- `is_line`: it lies in the subscribers' networks; own relays inside those networks are no lines.
-- `is_server`: records of the day itself, or from before to after it, show it as the one that is connected to.
WITH seen AS (
    SELECT high, low, max(server) AS server
    FROM (
        SELECT client_high AS high, client_low AS low, 0 AS server FROM five_tuple
        UNION ALL
        SELECT
            t.server_high AS high, t.server_low AS low,
            CASE WHEN t.first_seen < w.until AND t.last_begun >= w.since THEN 1 ELSE 0 END AS server
        FROM five_tuple AS t
        CROSS JOIN build_window AS w
    ) AS side
    GROUP BY high, low
),
-- IPv4 addresses, mapped to ::ffff:0:0/96, can be written from their number; the text of others is that of the flows,
-- of which there are few. (Plain comparisons one by one, because a scan skips by them what it need not unpack.)
other AS (
    SELECT src_high AS high, src_low AS low, src_ip AS ip FROM flow WHERE src_high <> 0
    UNION ALL
    SELECT src_high AS high, src_low AS low, src_ip AS ip FROM flow WHERE src_low < 281470681743360
    UNION ALL
    SELECT src_high AS high, src_low AS low, src_ip AS ip FROM flow WHERE src_low > 281474976710655
    UNION ALL
    SELECT dst_high AS high, dst_low AS low, dst_ip AS ip FROM flow WHERE dst_high <> 0
    UNION ALL
    SELECT dst_high AS high, dst_low AS low, dst_ip AS ip FROM flow WHERE dst_low < 281470681743360
    UNION ALL
    SELECT dst_high AS high, dst_low AS low, dst_ip AS ip FROM flow WHERE dst_low > 281474976710655
),
six AS (
    SELECT high, low, min(ip) AS ip FROM other GROUP BY high, low
),
named AS (
    SELECT
        s.high, s.low, s.server, x.ip IS NULL AS is_v4,
        CASE
            WHEN x.ip IS NULL THEN '00000000000000000000ffff' || lower(lpad(hex(s.low & 4294967295), 8, '0'))
            ELSE lower(lpad(hex(s.high), 16, '0') || lpad(hex(s.low), 16, '0'))
        END AS ip_key,
        coalesce(
            x.ip,
            CAST((s.low >> 24) & 255 AS VARCHAR) || '.' || CAST((s.low >> 16) & 255 AS VARCHAR) || '.'
            || CAST((s.low >> 8) & 255 AS VARCHAR) || '.' || CAST(s.low & 255 AS VARCHAR)
        ) AS ip
    FROM seen AS s
    LEFT JOIN six AS x ON x.high = s.high AND x.low = s.low
),
own AS (
    SELECT DISTINCT n.ip_key
    FROM named AS n
    JOIN network AS own ON own.role = 'subscriber' AND n.ip_key BETWEEN own.key_first AND own.key_last
    LEFT JOIN network AS relay ON relay.role = 'relay' AND n.ip_key BETWEEN relay.key_first AND relay.key_last
    WHERE relay.role IS NULL
)
SELECT
    w.day, CAST(row_number() OVER (ORDER BY n.high, n.low) AS INTEGER) AS number, n.ip_key, n.ip, n.high, n.low,
    n.is_v4, n.server = 1 AS is_server, o.ip_key IS NOT NULL AS is_line
FROM named AS n
LEFT JOIN own AS o ON o.ip_key = n.ip_key
CROSS JOIN build_window AS w
