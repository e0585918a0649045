-- row: one subscriber × day × destination group × port, connections from the line; rows without a subscriber hold what
--      could not be attributed, so that the rows of a day add up to all of its connections
-- build: day
--
-- The bursts are the most sessions, and the most servers, in one of the hour's twelve times five minutes.
WITH pair AS (
    SELECT
        c.day, c.holder, c.server_port, c.server,
        CAST(floor(date_diff('minute', w.since, c.first_seen) / 5) AS INTEGER) AS slot,
        count(*) AS sessions
    FROM connection AS c
    CROSS JOIN build_window AS w
    WHERE c.direction = 'out'
    GROUP BY
        c.day, c.holder, c.server_port, c.server,
        CAST(floor(date_diff('minute', w.since, c.first_seen) / 5) AS INTEGER)
),
slotted AS (
    SELECT
        p.day, p.holder, p.server_port, d.group_number, p.slot,
        count(*) AS destinations,
        sum(p.sessions) AS sessions
    FROM pair AS p
    JOIN destination AS d ON d.day = p.day AND d.number = p.server
    GROUP BY p.day, p.holder, p.server_port, d.group_number, p.slot
),
burst AS (
    SELECT
        day, holder, server_port, group_number,
        max(destinations) AS destinations_5min,
        max(sessions) AS sessions_5min
    FROM slotted
    GROUP BY day, holder, server_port, group_number
),
summed AS (
    SELECT
        p.day, p.holder, p.port, d.group_number,
        sum(p.sessions) AS sessions,
        sum(p.flows) AS flows,
        sum(p.established) AS established,
        sum(p.refused) AS refused,
        sum(p.no_answer) AS no_answer,
        sum(p.unknown) AS unknown,
        count(*) AS destinations,  -- `peer` has one row for each address
        sum(p.client_packets) AS client_packets,
        sum(p.client_bytes) AS client_bytes,
        sum(p.server_packets) AS server_packets,
        sum(p.server_bytes) AS server_bytes,
        min(p.first_seen) AS first_seen,
        max(p.last_seen) AS last_seen
    FROM peer AS p
    JOIN destination AS d ON d.day = p.day AND d.number = p.number
    WHERE p.direction = 'out'
    GROUP BY p.day, p.holder, p.port, d.group_number
),
named AS (
    SELECT DISTINCT day, group_number, destination_group FROM destination
)
SELECT
    s.day, h.subscriber, h.attribution, n.destination_group, s.port,
    s.sessions, s.flows, s.established, s.refused, s.no_answer, s.unknown,
    s.destinations, b.destinations_5min, b.sessions_5min,
    s.client_packets, s.client_bytes, s.server_packets, s.server_bytes, s.first_seen, s.last_seen
FROM summed AS s
JOIN burst AS b
    ON b.day = s.day AND b.holder = s.holder AND b.server_port = s.port AND b.group_number = s.group_number
JOIN named AS n ON n.day = s.day AND n.group_number = s.group_number
JOIN holder AS h ON h.day = s.day AND h.number = s.holder
