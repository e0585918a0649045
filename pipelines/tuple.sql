-- row: one five-tuple of lines' TCP flow records, its addresses by their numbers in `address`, both directions joined
-- build: step
--
-- The line is the client, or the server where somebody connects to port 25 of the line; a record between two mail ports
-- does not prove that, as either end may have begun it.
-- Most five-tuples are used once and are one session; `used_again` are those that may be several, see session.sql.
WITH numbered AS (
    SELECT
        CASE WHEN f.is_reply THEN dst.number ELSE src.number END AS client,
        CASE WHEN f.is_reply THEN src.number ELSE dst.number END AS server,
        CASE WHEN f.is_reply THEN f.dst_port ELSE f.src_port END AS client_port,
        CASE WHEN f.is_reply THEN f.src_port ELSE f.dst_port END AS server_port,
        f.is_reply, f.client_has_mail_port, f.first_seen, f.last_seen, f.tcp_flags, f.established,
        f.sampling_interval, f.forwarding_status, f.exporter,
        CASE WHEN f.is_reply THEN coalesce(f.reply_packets, 0) ELSE f.packets END AS client_packets,
        CASE WHEN f.is_reply THEN coalesce(f.reply_bytes, 0) ELSE f.bytes END AS client_bytes,
        CASE WHEN f.is_reply THEN f.packets ELSE coalesce(f.reply_packets, 0) END AS server_packets,
        CASE WHEN f.is_reply THEN f.bytes ELSE coalesce(f.reply_bytes, 0) END AS server_bytes
    FROM ported_flow AS f
    JOIN address AS src ON src.ip_key = f.src_key
    JOIN address AS dst ON dst.ip_key = f.dst_key
    WHERE CASE WHEN f.is_reply THEN dst.is_line ELSE src.is_line END
        OR (
            CASE WHEN f.is_reply THEN src.is_line AND f.src_port = 25 ELSE dst.is_line AND f.dst_port = 25 END
            AND NOT f.client_has_mail_port
        )
)
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
    FROM numbered
    GROUP BY client, server, client_port, server_port, client_has_mail_port
) AS t
CROSS JOIN session_gap AS gap
CROSS JOIN build_window AS w
