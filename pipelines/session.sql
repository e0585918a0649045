-- row: one TCP connection, or attempt to connect, between a line and a mail port, both directions joined (see
--      `connection`), with its addresses and subscriber by name
-- build: view
--
-- client_number, server_number: the addresses in the day's `address`.
-- (Each of the joins finds one row. They are LEFT JOINs so that none of the tables of numbers is joined to another by
-- `day` alone, as DuckDB would do.)
SELECT
    c.day, c.direction, h.subscriber, h.attribution,
    CASE WHEN c.direction = 'out' THEN client.ip ELSE server.ip END AS line_ip,
    6 AS protocol,
    client.ip AS client_ip, c.client_port, server.ip AS server_ip, server.ip_key AS server_key, c.server_port,
    c.first_seen, c.last_seen, CAST(c.records AS BIGINT) AS records,
    c.client_packets, c.client_bytes, c.server_packets, c.server_bytes, c.futile,
    c.sampling_interval, c.forwarding_status, c.exporter, c.outcome,
    c.client AS client_number, c.server AS server_number
FROM connection AS c
LEFT JOIN address AS client ON client.day = c.day AND client.number = c.client
LEFT JOIN address AS server ON server.day = c.day AND server.number = c.server
LEFT JOIN holder AS h ON h.day = c.day AND h.number = c.holder
