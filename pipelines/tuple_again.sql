-- row: one five-tuple that may be several sessions, with its addresses as numbers of 128 bits
-- build: step
SELECT
    t.client, t.server, t.client_port, t.server_port, t.sides, t.server_is_v4,
    client.high AS client_high, client.low AS client_low, server.high AS server_high, server.low AS server_low
FROM tuple AS t
JOIN address AS client ON client.number = t.client
JOIN address AS server ON server.number = t.server
WHERE t.used_again
