-- row: one flow record of one line of the subscribers' networks
-- build: view
--
-- direction `out`: the line is the client. `in`: somebody connects to a mail server on the line (port 25); a record
-- between two mail ports does not prove that, as either end may have begun it.
-- A record between two lines is a row for each of them. The flows are read once for both directions.
SELECT
    side.direction, f.*,
    CASE WHEN side.direction = 'out' THEN f.client_ip ELSE f.server_ip END AS line_ip,
    CASE WHEN side.direction = 'out' THEN f.client_key ELSE f.server_key END AS line_key,
    CASE WHEN side.direction = 'out' THEN f.client_port ELSE f.server_port END AS line_port
FROM directed_flow AS f
LEFT JOIN line_address AS client ON client.ip_key = f.client_key
LEFT JOIN line_address AS server
    ON server.ip_key = f.server_key AND f.server_port = 25 AND NOT f.client_has_mail_port
CROSS JOIN (SELECT 'out' AS direction UNION ALL SELECT 'in' AS direction) AS side
WHERE (side.direction = 'out' AND client.ip_key IS NOT NULL) OR (side.direction = 'in' AND server.ip_key IS NOT NULL)
