-- row: one five-tuple between a line and a mail port, its addresses by their numbers in `address` too
-- build: inner
--
-- The line is the client, or the server where somebody connects to port 25 of the line; a record between two mail ports
-- does not prove that, as either end may have begun it.
-- `used_again`: it may be several sessions, see connection.sql; most five-tuples are used once and are one session.
-- `sides`: 1 where the client is the line, 2 where the server is, 3 where both are.
SELECT
    client.number AS client, server.number AS server, server.is_v4 AS server_is_v4,
    CASE WHEN client.is_line THEN 1 ELSE 0 END
        + CASE WHEN server.is_line AND t.server_port = 25 AND NOT t.client_has_mail_port THEN 2 ELSE 0 END AS sides,
    t.*, t.interrupted OR o.client_port IS NOT NULL AS used_again
FROM five_tuple AS t
LEFT JOIN tuple_handed_over AS o
    ON o.client_high = t.client_high AND o.client_low = t.client_low
    AND o.server_high = t.server_high AND o.server_low = t.server_low
    AND o.client_port = t.client_port AND o.server_port = t.server_port
JOIN address AS client ON client.high = t.client_high AND client.low = t.client_low
JOIN address AS server ON server.high = t.server_high AND server.low = t.server_low
WHERE client.is_line OR (server.is_line AND t.server_port = 25 AND NOT t.client_has_mail_port)
