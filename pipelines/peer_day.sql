-- row: one subscriber × day × direction × peer address × port
-- build: day
SELECT
    s.day, s.subscriber, s.attribution, s.direction,
    CASE WHEN s.direction = 'out' THEN s.server_ip ELSE s.client_ip END AS peer_ip,
    s.server_port AS port,
    d.destination_group,
    d.organisation,
    d.name,
    d.submission,
    count(*) AS sessions,
    sum(s.records) AS flows,
    sum(CASE WHEN s.outcome = 'established' THEN 1 ELSE 0 END) AS established,
    sum(CASE WHEN s.outcome = 'refused' THEN 1 ELSE 0 END) AS refused,
    sum(CASE WHEN s.outcome = 'no-answer' THEN 1 ELSE 0 END) AS no_answer,
    sum(CASE WHEN s.outcome = 'unknown' THEN 1 ELSE 0 END) AS unknown,
    sum(s.client_packets) AS client_packets,
    sum(s.client_bytes) AS client_bytes,
    sum(s.server_packets) AS server_packets,
    sum(s.server_bytes) AS server_bytes,
    min(s.first_seen) AS first_seen,
    max(s.last_seen) AS last_seen
FROM session AS s
LEFT JOIN destination AS d ON s.direction = 'out' AND d.day = s.day AND d.dst_key = s.server_key
GROUP BY
    s.day, s.subscriber, s.attribution, s.direction,
    CASE WHEN s.direction = 'out' THEN s.server_ip ELSE s.client_ip END,
    s.server_port, d.destination_group, d.organisation, d.name, d.submission
