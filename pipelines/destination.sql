-- row: one mail server's address on one day, and what is known of it: own-relay, mobile-carrier, known-provider, other
-- build: day
--
-- From networks.relays, [[destinations]] and the dated reference tables; the most specific network that is valid on
-- the day decides, the own relays before all. `organisation` is the name where one is known, else the /24 (IPv4) or
-- /48 (IPv6) as leading digits of the key: servers of one provider lie together. `number` is that in `address`;
-- `organisation_number` (of the day) is for tables to be grouped by.
WITH server AS (
    SELECT day, number, ip_key AS dst_key, ip AS dst_ip FROM address WHERE is_server
),
candidate AS (
    SELECT
        s.day, s.dst_key, n.name, n.destination_group, n.submission, n.pop,
        row_number() OVER (
            PARTITION BY s.day, s.dst_key
            ORDER BY CASE WHEN n.destination_group = 'own-relay' THEN 0 ELSE 1 END, n.key_first DESC, n.key_last, n.name
        ) AS choice
    FROM server AS s
    JOIN destination_network AS n
        ON s.dst_key BETWEEN n.key_first AND n.key_last
        AND (n.valid_from IS NULL OR n.valid_from <= s.day)
        AND (n.valid_until IS NULL OR s.day <= n.valid_until)
),
named AS (
    SELECT
        s.day, s.dst_ip, s.dst_key,
        coalesce(c.destination_group, 'other') AS destination_group,
        c.name,
        coalesce(
            c.name,
            CASE WHEN left(s.dst_key, 24) = '00000000000000000000ffff' THEN left(s.dst_key, 30) ELSE left(s.dst_key, 12) END
        ) AS organisation,
        c.submission,
        c.pop,
        s.number
    FROM server AS s
    LEFT JOIN candidate AS c ON c.day = s.day AND c.dst_key = s.dst_key AND c.choice = 1
)
SELECT
    *,
    CAST(dense_rank() OVER (ORDER BY destination_group, organisation) AS INTEGER) AS organisation_number
FROM named
