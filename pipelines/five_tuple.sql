-- row: one five-tuple of the TCP flow records of a day and two hours around it, both directions joined
-- build: step
--
-- `last_begun` and `first_ended`: when the last of its records began, and when the first one ended.
-- `evidence` of a session: 2 where a record proves it, 1 where one leaves it open, 0 where all speak against it.
-- `interrupted`: between its records is a pause that may be one between two sessions, or the day's end.
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
    u.*,
    u.last_begun > u.first_ended + gap.seconds * INTERVAL 1 SECOND
        OR (u.first_seen < w.since AND u.last_begun >= w.since + INTERVAL 2 HOUR) AS interrupted
FROM used AS u
CROSS JOIN session_gap AS gap
CROSS JOIN build_window AS w
