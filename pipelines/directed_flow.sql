-- row: one TCP flow record, turned so that the client (who connects) and the server (who has the mail port) are known
-- build: view
--
-- Addresses are there as text, as numbers (see `flow`) and as ip_key. `futile`: 1 where every packet was a SYN of the
-- client or a reset of the server, 0 where another was, NULL where no flags came.
SELECT
    *,
    lower(lpad(hex(client_high), 16, '0') || lpad(hex(client_low), 16, '0')) AS client_key,
    lower(lpad(hex(server_high), 16, '0') || lpad(hex(server_low), 16, '0')) AS server_key
FROM (
    SELECT
        day, first_seen, last_seen, protocol, established, sampling_interval, exporter, forwarding_status, tcp_flags,
        source, is_reply, client_has_mail_port,
        CASE
            WHEN NOT is_reply AND (tcp_flags & 63) = 2 THEN 1
            WHEN is_reply AND (tcp_flags & 15) = 4 THEN 1
            WHEN tcp_flags IS NOT NULL THEN 0
        END AS futile,
        CASE WHEN is_reply THEN dst_ip ELSE src_ip END AS client_ip,
        CASE WHEN is_reply THEN dst_high ELSE src_high END AS client_high,
        CASE WHEN is_reply THEN dst_low ELSE src_low END AS client_low,
        CASE WHEN is_reply THEN dst_port ELSE src_port END AS client_port,
        CASE WHEN is_reply THEN src_ip ELSE dst_ip END AS server_ip,
        CASE WHEN is_reply THEN src_high ELSE dst_high END AS server_high,
        CASE WHEN is_reply THEN src_low ELSE dst_low END AS server_low,
        CASE WHEN is_reply THEN src_port ELSE dst_port END AS server_port,
        CASE WHEN is_reply THEN coalesce(reply_packets, 0) ELSE packets END AS client_packets,
        CASE WHEN is_reply THEN coalesce(reply_bytes, 0) ELSE bytes END AS client_bytes,
        CASE WHEN is_reply THEN packets ELSE coalesce(reply_packets, 0) END AS server_packets,
        CASE WHEN is_reply THEN bytes ELSE coalesce(reply_bytes, 0) END AS server_bytes
    FROM ported_flow
) AS turned
