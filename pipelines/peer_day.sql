-- row: one subscriber × day × direction × peer address × port
-- build: day
SELECT
    p.day, h.subscriber, h.attribution, p.direction, a.ip AS peer_ip, p.port,
    d.destination_group, d.organisation, d.name, d.submission,
    p.sessions, p.flows, p.established, p.refused, p.no_answer, p.unknown,
    p.client_packets, p.client_bytes, p.server_packets, p.server_bytes, p.first_seen, p.last_seen
FROM peer AS p
JOIN address AS a ON a.day = p.day AND a.number = p.number
JOIN holder AS h ON h.day = p.day AND h.number = p.holder
LEFT JOIN destination AS d ON p.direction = 'out' AND d.day = p.day AND d.number = p.number
