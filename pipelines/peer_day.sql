-- row: one subscriber × day × direction × peer address × port
-- build: day
--
-- `holder`: the subscriber's number on the day, in the table of that name.
WITH peer AS (
    SELECT
        holder, direction,
        CASE WHEN direction = 'out' THEN server ELSE client END AS number,
        server_port AS port,
        count(*) AS sessions,
        sum(records) AS flows,
        sum(CASE WHEN outcome = 'established' THEN 1 ELSE 0 END) AS established,
        sum(CASE WHEN outcome = 'refused' THEN 1 ELSE 0 END) AS refused,
        sum(CASE WHEN outcome = 'no-answer' THEN 1 ELSE 0 END) AS no_answer,
        sum(CASE WHEN outcome = 'unknown' THEN 1 ELSE 0 END) AS unknown,
        sum(client_packets) AS client_packets,
        sum(client_bytes) AS client_bytes,
        sum(server_packets) AS server_packets,
        sum(server_bytes) AS server_bytes,
        min(first_seen) AS first_seen,
        max(last_seen) AS last_seen
    FROM connection
    GROUP BY
        holder, direction, CASE WHEN direction = 'out' THEN server ELSE client END, server_port
)
SELECT
    w.day, h.subscriber, h.attribution, p.direction, a.ip AS peer_ip, p.port,
    d.destination_group, d.organisation, d.name, d.submission,
    p.sessions, p.flows, p.established, p.refused, p.no_answer, p.unknown,
    p.client_packets, p.client_bytes, p.server_packets, p.server_bytes, p.first_seen, p.last_seen, p.holder
FROM peer AS p
JOIN address AS a ON a.number = p.number
JOIN holder AS h ON h.number = p.holder
LEFT JOIN destination AS d ON p.direction = 'out' AND d.number = p.number
CROSS JOIN build_window AS w
