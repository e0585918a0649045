-- row: one five-tuple of lines' TCP flow records, its addresses by their numbers in `address`, both directions joined
-- build: step
--
-- Most five-tuples are used once and are one session; `used_again` are those that may be several, see session.sql.
SELECT
    t.client, t.server, t.client_port, t.server_port, t.client_has_mail_port,
    t.first_seen, t.last_seen, t.records, t.client_packets, t.client_bytes, t.server_packets, t.server_bytes,
    t.proven, t.doubtful, t.futile, t.sampling_interval, t.forwarding_status, t.exporter,
    t.last_begun > t.first_ended + gap.seconds * INTERVAL 1 SECOND
        OR (t.first_seen < w.since AND t.last_begun >= w.since + INTERVAL 2 HOUR) AS used_again
FROM (
    SELECT
        client, server, client_port, server_port, client_has_mail_port,
        min(first_seen) AS first_seen,
        max(first_seen) AS last_begun,
        min(last_seen) AS first_ended,
        max(last_seen) AS last_seen,
        CAST(count(*) AS INTEGER) AS records,
        CAST(sum(client_packets) AS BIGINT) AS client_packets,
        CAST(sum(client_bytes) AS BIGINT) AS client_bytes,
        CAST(sum(server_packets) AS BIGINT) AS server_packets,
        CAST(sum(server_bytes) AS BIGINT) AS server_bytes,
        max(CASE WHEN established THEN 1 ELSE 0 END) AS proven,
        max(CASE WHEN established IS NULL THEN 1 ELSE 0 END) AS doubtful,
        min(CASE
            WHEN NOT is_reply AND (tcp_flags & 63) = 2 THEN 1
            WHEN is_reply AND (tcp_flags & 15) = 4 THEN 1
            WHEN tcp_flags IS NOT NULL THEN 0
        END) AS futile,
        max(sampling_interval) AS sampling_interval,
        max(forwarding_status) AS forwarding_status,
        min(exporter) AS exporter
    FROM numbered_flow
    GROUP BY client, server, client_port, server_port, client_has_mail_port
) AS t
CROSS JOIN session_gap AS gap
CROSS JOIN build_window AS w
