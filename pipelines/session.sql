-- row: one TCP connection, or attempt to connect, between a line and a mail port, both directions joined
-- build: day
-- margin: 2 hours
--
-- direction `out`: the line is the client. `in`: somebody connects to a mail server on the line (port 25). Between two
-- lines it is a row for each of them.
-- Records of one five-tuple belong together while no pause is longer than session_gap_seconds: the reply, pieces cut
-- by the exporter's timeouts, and the SYNs of one attempt (domain: SYN trains). After a longer pause, of an hour at
-- most, a record without SYN still continues the session it cannot have begun.
-- outcome: established; refused (answered, but no session); no-answer; unknown (sampled, or no flags exported).
-- futile: 1 where every packet seen was a SYN of the client or a reset of the server, and nothing else; 0 where another
-- was, NULL where no flags came.
-- A session belongs to the day and the subscriber of its first record. What goes on more than 2 hours after the end
-- of that day is a session of the next day, so that every record counts on one day, whichever days are built.
-- client_number, server_number: the addresses in the day's `address`.
WITH compared AS (
    SELECT
        f.*, a.client, a.server,
        max(f.last_seen) OVER (
            PARTITION BY a.client, a.server, f.client_port, f.server_port
            ORDER BY f.first_seen, f.is_reply, f.last_seen, CASE WHEN (f.tcp_flags & 2) = 0 THEN 1 ELSE 0 END
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS last_seen_before
    FROM directed_flow AS f
    JOIN tuple_again AS a
        ON a.client_key = f.client_key AND a.server_key = f.server_key
        AND a.client_port = f.client_port AND a.server_port = f.server_port
),
numbered AS (
    SELECT
        c.*,
        sum(CASE
            WHEN last_seen_before IS NULL THEN 1
            WHEN first_seen <= last_seen_before + gap.seconds * INTERVAL 1 SECOND THEN 0
            WHEN (tcp_flags & 2) = 0 AND first_seen <= last_seen_before + INTERVAL 1 HOUR THEN 0
            ELSE 1
        END) OVER (
            PARTITION BY client, server, client_port, server_port
            ORDER BY first_seen, is_reply, last_seen, CASE WHEN (tcp_flags & 2) = 0 THEN 1 ELSE 0 END
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS nth
    FROM compared AS c
    CROSS JOIN session_gap AS gap
),
placed AS (
    SELECT
        n.*,
        CASE
            WHEN first_seen >= w.since + INTERVAL 2 HOUR AND min(first_seen) OVER (
                PARTITION BY client, server, client_port, server_port, nth
            ) < w.since THEN 1
            ELSE 0
        END AS carried_over
    FROM numbered AS n
    CROSS JOIN build_window AS w
),
connection AS (
    SELECT
        client, server, client_port, server_port, client_has_mail_port, first_seen, last_seen,
        records, client_packets, client_bytes, server_packets, server_bytes, proven, doubtful,
        futile, sampling_interval, forwarding_status, exporter
    FROM tuple
    WHERE NOT used_again
    UNION ALL
    SELECT
        client, server, client_port, server_port, client_has_mail_port,
        min(first_seen) AS first_seen, max(last_seen) AS last_seen, CAST(count(*) AS INTEGER) AS records,
        sum(client_packets) AS client_packets, sum(client_bytes) AS client_bytes,
        sum(server_packets) AS server_packets, sum(server_bytes) AS server_bytes,
        max(CASE WHEN established THEN 1 ELSE 0 END) AS proven,
        max(CASE WHEN established IS NULL THEN 1 ELSE 0 END) AS doubtful,
        min(CASE
            WHEN NOT is_reply AND (tcp_flags & 63) = 2 THEN 1
            WHEN is_reply AND (tcp_flags & 15) = 4 THEN 1
            WHEN tcp_flags IS NOT NULL THEN 0
        END) AS futile,
        max(sampling_interval) AS sampling_interval, max(forwarding_status) AS forwarding_status,
        min(exporter) AS exporter
    FROM placed
    GROUP BY client, server, client_port, server_port, client_has_mail_port, nth, carried_over
),
sided AS (
    SELECT
        c.*, w.day, side.direction,
        CASE WHEN side.direction = 'out' THEN c.client ELSE c.server END AS line,
        CASE WHEN side.direction = 'out' THEN c.client_port ELSE c.server_port END AS line_port,
        client.ip AS client_ip, server.ip AS server_ip, server.ip_key AS server_key
    FROM connection AS c
    JOIN address AS client ON client.number = c.client
    JOIN address AS server ON server.number = c.server
    CROSS JOIN build_window AS w
    CROSS JOIN (SELECT 'out' AS direction UNION ALL SELECT 'in' AS direction) AS side
    WHERE c.first_seen >= w.since AND c.first_seen < w.until AND (
        (side.direction = 'out' AND client.is_line)
        OR (side.direction = 'in' AND server.is_line AND c.server_port = 25 AND NOT c.client_has_mail_port)
    )
),
held AS (
    SELECT a.number, s.port_first, s.port_last, s.start, s."end", s.subscriber, s.holders
    FROM lease_segment AS s
    JOIN address AS a ON a.ip_key = s.ip_key
),
known AS (SELECT count(*) AS leases FROM lease)
SELECT
    c.day, c.direction,
    CASE
        WHEN h.holders = 1 THEN h.subscriber
        WHEN k.leases = 0 AND c.direction = 'out' THEN c.client_ip
        WHEN k.leases = 0 THEN c.server_ip
    END AS subscriber,
    CASE
        WHEN h.holders = 1 THEN 'attributed'
        WHEN h.holders > 1 THEN 'ambiguous'
        WHEN k.leases = 0 THEN 'address'
        ELSE 'unattributed'
    END AS attribution,
    CASE WHEN c.direction = 'out' THEN c.client_ip ELSE c.server_ip END AS line_ip,
    6 AS protocol,
    c.client_ip, c.client_port, c.server_ip, c.server_key, c.server_port, c.first_seen, c.last_seen,
    CAST(c.records AS BIGINT) AS records,
    c.client_packets, c.client_bytes, c.server_packets, c.server_bytes, c.futile,
    c.sampling_interval, c.forwarding_status, c.exporter,
    CASE
        WHEN c.proven = 1 THEN 'established'
        -- More back than bare SYN/ACK or RST packets (60 bytes at most, 80 in IPv6): data came, whatever the flags say.
        WHEN c.doubtful = 1 AND c.client_packets >= 3 AND c.server_bytes > c.server_packets
            * CASE WHEN left(c.server_key, 24) = '00000000000000000000ffff' THEN 60 ELSE 80 END THEN 'established'
        WHEN c.doubtful = 1 THEN 'unknown'
        WHEN c.server_packets > 0 THEN 'refused'
        ELSE 'no-answer'
    END AS outcome,
    c.client AS client_number, c.server AS server_number
FROM sided AS c
CROSS JOIN known AS k
LEFT JOIN held AS h
    ON h.number = c.line
    AND c.line_port BETWEEN h.port_first AND h.port_last
    AND h.start <= c.first_seen AND (h."end" IS NULL OR c.first_seen < h."end")
