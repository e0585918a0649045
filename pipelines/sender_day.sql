-- row: one subscriber × day × destination group × port, connections from the line; rows without a subscriber hold what
--      could not be attributed, so that the rows of a day add up to all of its connections
-- build: day
WITH burst AS (
    SELECT day, subscriber, attribution, destination_group, server_port, max(destinations) AS destinations_5min,
        max(sessions) AS sessions_5min
    FROM (
        SELECT
            day, subscriber, attribution, destination_group, server_port, hour, slot,
            count(*) AS destinations,
            sum(sessions) AS sessions
        FROM (
            SELECT
                s.day, s.subscriber, s.attribution, d.destination_group, s.server_port, s.server_number,
                date_trunc('hour', s.first_seen) AS hour,
                CAST(floor(extract(MINUTE FROM s.first_seen) / 5) AS INTEGER) AS slot,
                count(*) AS sessions
            FROM session AS s
            JOIN destination AS d ON d.day = s.day AND d.number = s.server_number
            WHERE s.direction = 'out'
            GROUP BY
                s.day, s.subscriber, s.attribution, d.destination_group, s.server_port, s.server_number,
                date_trunc('hour', s.first_seen), CAST(floor(extract(MINUTE FROM s.first_seen) / 5) AS INTEGER)
        ) AS pairs
        GROUP BY day, subscriber, attribution, destination_group, server_port, hour, slot
    ) AS slots
    GROUP BY day, subscriber, attribution, destination_group, server_port
)
SELECT
    p.day, p.subscriber, p.attribution, p.destination_group, p.port,
    sum(p.sessions) AS sessions,
    sum(p.flows) AS flows,
    sum(p.established) AS established,
    sum(p.refused) AS refused,
    sum(p.no_answer) AS no_answer,
    sum(p.unknown) AS unknown,
    count(*) AS destinations,  -- peer_day has one row for each address
    max(b.destinations_5min) AS destinations_5min,
    max(b.sessions_5min) AS sessions_5min,
    sum(p.client_packets) AS client_packets,
    sum(p.client_bytes) AS client_bytes,
    sum(p.server_packets) AS server_packets,
    sum(p.server_bytes) AS server_bytes,
    min(p.first_seen) AS first_seen,
    max(p.last_seen) AS last_seen
FROM peer_day AS p
LEFT JOIN burst AS b
    ON b.day = p.day AND b.subscriber IS NOT DISTINCT FROM p.subscriber AND b.attribution = p.attribution
    AND b.destination_group = p.destination_group AND b.server_port = p.port
WHERE p.direction = 'out'
GROUP BY p.day, p.subscriber, p.attribution, p.destination_group, p.port
