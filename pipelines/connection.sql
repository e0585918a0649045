-- row: one TCP connection, or attempt to connect, between a line and a mail port, both directions joined; addresses and
--      subscriber by their numbers in `address` and `holder` (see `session` for the same with their names)
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
-- A session ends where its line comes to be held by another, or by several, or after nobody held it: the next SYN after
-- that, or the next record of the client where no flags came, begins a session of the new holder. What else comes then,
-- such as the server's retransmissions to somebody who is gone, belongs to the session before. (Not over midnight: the
-- leases of one day are known, and both days must place a record alike.)
-- A session belongs to the day and the subscriber of its first record. What goes on more than 2 hours after the end
-- of that day is a session of the next day, so that every record counts on one day, whichever days are built.
WITH compared AS (
    SELECT
        f.*, a.client, a.server, a.sides, a.server_is_v4,
        max(f.last_seen) OVER (
            PARTITION BY a.client, a.server, f.client_port, f.server_port
            ORDER BY f.first_seen, f.is_reply, f.last_seen, CASE WHEN (f.tcp_flags & 2) = 0 THEN 1 ELSE 0 END
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS last_seen_before
    FROM directed_flow AS f
    JOIN tuple_again AS a
        ON a.client_high = f.client_high AND a.client_low = f.client_low
        AND a.server_high = f.server_high AND a.server_low = f.server_low
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
begun AS (
    SELECT
        *,
        min(first_seen) OVER (PARTITION BY client, server, client_port, server_port, nth) AS begun,
        row_number() OVER (
            PARTITION BY client, server, client_port, server_port, nth
            ORDER BY first_seen, is_reply, last_seen, CASE WHEN (tcp_flags & 2) = 0 THEN 1 ELSE 0 END
        ) AS place,
        NOT is_reply AND coalesce(tcp_flags & 2, 2) = 2 AS may_begin
    FROM numbered
),
-- Who held both ends when a session began, 0 is nobody, and when it may have begun anew, NULL where that tells nothing.
held AS (
    SELECT
        b.*,
        CASE
            WHEN b.place = 1 THEN coalesce(c.holder, 0)
            WHEN b.may_begin THEN c.holder
        END AS client_holder,
        CASE
            WHEN b.place = 1 THEN coalesce(s.holder, 0)
            WHEN b.may_begin THEN s.holder
        END AS server_holder
    FROM begun AS b
    LEFT JOIN holding AS c
        ON c.line = b.client AND b.client_port BETWEEN c.port_first AND c.port_last
        AND c.start <= b.first_seen AND (c."end" IS NULL OR b.first_seen < c."end")
    LEFT JOIN holding AS s
        ON s.line = b.server AND b.server_port BETWEEN s.port_first AND s.port_last
        AND s.start <= b.first_seen AND (s."end" IS NULL OR b.first_seen < s."end")
),
followed AS (
    SELECT
        *,
        last_value(client_holder IGNORE NULLS) OVER (
            PARTITION BY client, server, client_port, server_port, nth ORDER BY place
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS client_before,
        last_value(server_holder IGNORE NULLS) OVER (
            PARTITION BY client, server, client_port, server_port, nth ORDER BY place
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS server_before
    FROM held
),
placed AS (
    SELECT
        f.*,
        CASE WHEN first_seen >= w.since + INTERVAL 2 HOUR AND begun < w.since THEN 1 ELSE 0 END AS carried_over,
        sum(CASE
            WHEN begun >= w.since AND first_seen < w.until
                AND (client_holder <> client_before OR server_holder <> server_before) THEN 1
            ELSE 0
        END) OVER (
            PARTITION BY client, server, client_port, server_port, nth ORDER BY place
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS handed_over
    FROM followed AS f
    CROSS JOIN build_window AS w
),
joined AS (
    SELECT
        client, server, client_port, server_port, sides, server_is_v4, first_seen, last_seen,
        records, client_packets, client_bytes, server_packets, server_bytes, evidence, futile,
        sampling_interval, forwarding_status, exporter
    FROM line_tuple
    WHERE NOT used_again
    UNION ALL
    SELECT
        client, server, client_port, server_port, sides, server_is_v4,
        min(first_seen) AS first_seen, max(last_seen) AS last_seen, CAST(count(*) AS INTEGER) AS records,
        sum(client_packets) AS client_packets, sum(client_bytes) AS client_bytes,
        sum(server_packets) AS server_packets, sum(server_bytes) AS server_bytes,
        max(CASE WHEN established THEN 2 WHEN established IS NULL THEN 1 ELSE 0 END) AS evidence,
        min(futile) AS futile,
        max(sampling_interval) AS sampling_interval, max(forwarding_status) AS forwarding_status,
        min(exporter) AS exporter
    FROM placed
    GROUP BY client, server, client_port, server_port, sides, server_is_v4, nth, carried_over, handed_over
),
-- A session between two lines is a row for each of them.
side AS (
    SELECT 1 AS sides, 'out' AS direction
    UNION ALL SELECT 2 AS sides, 'in' AS direction
    UNION ALL SELECT 3 AS sides, 'out' AS direction
    UNION ALL SELECT 3 AS sides, 'in' AS direction
),
sided AS (
    SELECT
        j.*, w.day, s.direction,
        CASE WHEN s.direction = 'out' THEN j.client ELSE j.server END AS line,
        CASE WHEN s.direction = 'out' THEN j.client_port ELSE j.server_port END AS line_port
    FROM joined AS j
    JOIN side AS s ON s.sides = j.sides
    CROSS JOIN build_window AS w
    WHERE j.first_seen >= w.since AND j.first_seen < w.until
)
SELECT
    s.day, s.direction, coalesce(h.holder, 0) AS holder,
    s.client, s.client_port, s.server, s.server_port, s.first_seen, s.last_seen, s.records,
    s.client_packets, s.client_bytes, s.server_packets, s.server_bytes, s.futile,
    s.sampling_interval, s.forwarding_status, s.exporter,
    CASE
        WHEN s.evidence = 2 THEN 'established'
        -- More back than bare SYN/ACK or RST packets (60 bytes at most, 80 in IPv6): data came, whatever the flags say.
        WHEN s.evidence = 1 AND s.client_packets >= 3
            AND s.server_bytes > s.server_packets * CASE WHEN s.server_is_v4 THEN 60 ELSE 80 END THEN 'established'
        WHEN s.evidence = 1 THEN 'unknown'
        WHEN s.server_packets > 0 THEN 'refused'
        ELSE 'no-answer'
    END AS outcome
FROM sided AS s
LEFT JOIN holding AS h
    ON h.line = s.line
    AND s.line_port BETWEEN h.port_first AND h.port_last
    AND h.start <= s.first_seen AND (h."end" IS NULL OR s.first_seen < h."end")
