-- row: one subscriber × day × direction × peer address × port
-- build: day
WITH peer AS (
    SELECT
        day, subscriber, attribution, direction,
        CASE WHEN direction = 'out' THEN server_number ELSE client_number END AS number,
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
    FROM session
    GROUP BY
        day, subscriber, attribution, direction,
        CASE WHEN direction = 'out' THEN server_number ELSE client_number END,
        server_port
)
SELECT
    p.day, p.subscriber, p.attribution, p.direction, a.ip AS peer_ip, p.port,
    d.destination_group, d.organisation, d.name, d.submission,
    p.sessions, p.flows, p.established, p.refused, p.no_answer, p.unknown,
    p.client_packets, p.client_bytes, p.server_packets, p.server_bytes, p.first_seen, p.last_seen
FROM peer AS p
JOIN address AS a ON a.day = p.day AND a.number = p.number
LEFT JOIN destination AS d ON p.direction = 'out' AND d.day = p.day AND d.number = p.number
