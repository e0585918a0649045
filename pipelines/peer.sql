-- row: one holder × day × direction × peer address × port, by their numbers
-- build: step
SELECT
    day, holder, direction,
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
    day, holder, direction, CASE WHEN direction = 'out' THEN server ELSE client END, server_port
