-- row: one five-tuple that may be several sessions, with the keys of its addresses
-- build: step
SELECT t.client, t.server, t.client_port, t.server_port, client.ip_key AS client_key, server.ip_key AS server_key
FROM tuple AS t
JOIN address AS client ON client.number = t.client
JOIN address AS server ON server.number = t.server
WHERE t.used_again
