-- row: one five-tuple of lines' TCP flow records, its addresses by their numbers in `address`, both directions joined
-- build: step
--
-- The line is the client, or the server where somebody connects to port 25 of the line; a record between two mail ports
-- does not prove that, as either end may have begun it.
-- `sides`: 1 where the client is the line, 2 where the server is, 3 where both are.
-- `evidence` of a session: 2 where a record proves it, 1 where one leaves it open, 0 where all speak against it.
-- Most five-tuples are used once and are one session; `used_again` are those that may be several, see connection.sql.
WITH used AS (
    SELECT
        client_high, client_low, server_high, server_low, client_port, server_port, client_has_mail_port,
        min(first_seen) AS first_seen,
        max(first_seen) AS last_begun,
        min(last_seen) AS first_ended,
        max(last_seen) AS last_seen,
        CAST(count(*) AS INTEGER) AS records,
        CAST(sum(client_packets) AS BIGINT) AS client_packets,
        CAST(sum(client_bytes) AS BIGINT) AS client_bytes,
        CAST(sum(server_packets) AS BIGINT) AS server_packets,
        CAST(sum(server_bytes) AS BIGINT) AS server_bytes,
        max(CASE WHEN established THEN 2 WHEN established IS NULL THEN 1 ELSE 0 END) AS evidence,
        min(futile) AS futile,
        max(sampling_interval) AS sampling_interval,
        max(forwarding_status) AS forwarding_status,
        min(exporter) AS exporter
    FROM directed_flow
    GROUP BY client_high, client_low, server_high, server_low, client_port, server_port, client_has_mail_port
)
SELECT
    client.number AS client, server.number AS server, u.client_port, u.server_port, u.client_has_mail_port,
    u.first_seen, u.last_seen, u.records, u.client_packets, u.client_bytes, u.server_packets, u.server_bytes,
    u.evidence, u.futile, u.sampling_interval, u.forwarding_status, u.exporter,
    server.is_v4 AS server_is_v4,
    CASE WHEN client.is_line THEN 1 ELSE 0 END
        + CASE WHEN server.is_line AND u.server_port = 25 AND NOT u.client_has_mail_port THEN 2 ELSE 0 END AS sides,
    u.last_begun > u.first_ended + gap.seconds * INTERVAL 1 SECOND
        OR (u.first_seen < w.since AND u.last_begun >= w.since + INTERVAL 2 HOUR) AS used_again
FROM used AS u
JOIN address AS client ON client.high = u.client_high AND client.low = u.client_low
JOIN address AS server ON server.high = u.server_high AND server.low = u.server_low
CROSS JOIN session_gap AS gap
CROSS JOIN build_window AS w
WHERE client.is_line OR (server.is_line AND u.server_port = 25 AND NOT u.client_has_mail_port)
