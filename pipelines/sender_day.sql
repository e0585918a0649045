-- row: one subscriber × day × destination group × port, connections from the line; rows without a subscriber hold what
--      could not be attributed, so that the rows of a day add up to all of its connections
-- build: day
--
-- The bursts are the most sessions, and the most servers, in one of the hour's twelve times five minutes.
WITH pair AS (
    SELECT
        c.holder, c.server_port, c.server,
        CAST(floor(date_diff('minute', w.since, c.first_seen) / 5) AS INTEGER) AS slot,
        count(*) AS sessions
    FROM connection AS c
    CROSS JOIN build_window AS w
    WHERE c.direction = 'out'
    GROUP BY
        c.holder, c.server_port, c.server, CAST(floor(date_diff('minute', w.since, c.first_seen) / 5) AS INTEGER)
),
slotted AS (
    SELECT
        p.holder, p.server_port, d.destination_group, p.slot,
        count(*) AS destinations,
        sum(p.sessions) AS sessions
    FROM pair AS p
    JOIN destination AS d ON d.number = p.server
    GROUP BY p.holder, p.server_port, d.destination_group, p.slot
),
burst AS (
    SELECT
        holder, server_port, destination_group,
        max(destinations) AS destinations_5min,
        max(sessions) AS sessions_5min
    FROM slotted
    GROUP BY holder, server_port, destination_group
),
summed AS (
    SELECT
        holder, port, destination_group,
        sum(sessions) AS sessions,
        sum(flows) AS flows,
        sum(established) AS established,
        sum(refused) AS refused,
        sum(no_answer) AS no_answer,
        sum(unknown) AS unknown,
        count(*) AS destinations,  -- `peer_day` has one row for each address
        sum(client_packets) AS client_packets,
        sum(client_bytes) AS client_bytes,
        sum(server_packets) AS server_packets,
        sum(server_bytes) AS server_bytes,
        min(first_seen) AS first_seen,
        max(last_seen) AS last_seen
    FROM peer_day
    WHERE direction = 'out'
    GROUP BY holder, port, destination_group
)
SELECT
    w.day, h.subscriber, h.attribution, s.destination_group, s.port,
    s.sessions, s.flows, s.established, s.refused, s.no_answer, s.unknown,
    s.destinations, b.destinations_5min, b.sessions_5min,
    s.client_packets, s.client_bytes, s.server_packets, s.server_bytes, s.first_seen, s.last_seen
FROM summed AS s
JOIN burst AS b
    ON b.holder = s.holder AND b.server_port = s.port AND b.destination_group = s.destination_group
JOIN holder AS h ON h.number = s.holder
CROSS JOIN build_window AS w
