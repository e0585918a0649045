-- row: one TCP connection, or attempt to connect, between a line and a mail port, both directions joined
-- build: day
-- margin: 2 hours
--
-- Records of one five-tuple belong together while no pause is longer than session_gap_seconds: the reply, pieces cut
-- by the exporter's timeouts, and the SYNs of one attempt (domain: SYN trains). After a longer pause a record without
-- SYN still continues the session it cannot have begun.
-- outcome: established; refused (answered, but no session); no-answer; unknown (sampled, or no flags exported).
-- A session belongs to the day and the subscriber of its first record.
WITH marked AS (
    SELECT
        f.*,
        CASE
            WHEN last_seen_before IS NULL THEN 1
            WHEN f.first_seen <= last_seen_before + gap.seconds * INTERVAL 1 SECOND THEN 0
            WHEN f.tcp_flags IS NOT NULL AND (f.tcp_flags & 2) = 0 THEN 0
            ELSE 1
        END AS begins
    FROM (
        SELECT
            *,
            max(last_seen) OVER (
                PARTITION BY direction, client_key, client_port, server_key, server_port, protocol
                ORDER BY first_seen, is_reply ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS last_seen_before
        FROM attributed_flow
    ) AS f
    CROSS JOIN session_gap AS gap
),
numbered AS (
    SELECT
        *,
        sum(begins) OVER (
            PARTITION BY direction, client_key, client_port, server_key, server_port, protocol
            ORDER BY first_seen, is_reply ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS number
    FROM marked
),
joined AS (
    SELECT
        min(day) AS day,
        direction, protocol, client_ip, client_key, client_port, server_ip, server_key, server_port,
        min_by(subscriber, first_seen) AS subscriber,
        min_by(attribution, first_seen) AS attribution,
        min_by(line_ip, first_seen) AS line_ip,
        min(first_seen) AS first_seen,
        max(last_seen) AS last_seen,
        count(*) AS records,
        sum(client_packets) AS client_packets,
        sum(client_bytes) AS client_bytes,
        sum(server_packets) AS server_packets,
        sum(server_bytes) AS server_bytes,
        max(CASE WHEN established THEN 1 ELSE 0 END) AS proven,
        max(CASE WHEN established IS NULL THEN 1 ELSE 0 END) AS doubtful,
        max(sampling_interval) AS sampling_interval,
        max(forwarding_status) AS forwarding_status,
        min(exporter) AS exporter
    FROM numbered
    GROUP BY direction, protocol, client_ip, client_key, client_port, server_ip, server_key, server_port, number
)
SELECT
    day, direction, subscriber, attribution, line_ip, protocol,
    client_ip, client_port, server_ip, server_key, server_port,
    first_seen, last_seen, records, client_packets, client_bytes, server_packets, server_bytes,
    sampling_interval, forwarding_status, exporter,
    CASE
        WHEN proven = 1 THEN 'established'
        -- More back than bare SYN/ACK or RST packets (at most 60 bytes each): data came, whatever the flags say.
        WHEN doubtful = 1 AND client_packets >= 3 AND server_bytes > 60 * server_packets THEN 'established'
        WHEN doubtful = 1 THEN 'unknown'
        WHEN server_packets > 0 THEN 'refused'
        ELSE 'no-answer'
    END AS outcome
FROM joined
