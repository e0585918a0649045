-- row: one TCP flow record, turned so that the client (who connects) and the server (who has the mail port) are known
-- build: view
SELECT
    day, first_seen, last_seen, protocol, established, sampling_interval, exporter, forwarding_status, tcp_flags, source,
    is_reply, client_has_mail_port,
    CASE WHEN is_reply THEN dst_ip ELSE src_ip END AS client_ip,
    CASE WHEN is_reply THEN dst_key ELSE src_key END AS client_key,
    CASE WHEN is_reply THEN dst_port ELSE src_port END AS client_port,
    CASE WHEN is_reply THEN src_ip ELSE dst_ip END AS server_ip,
    CASE WHEN is_reply THEN src_key ELSE dst_key END AS server_key,
    CASE WHEN is_reply THEN src_port ELSE dst_port END AS server_port,
    CASE WHEN is_reply THEN coalesce(reply_packets, 0) ELSE packets END AS client_packets,
    CASE WHEN is_reply THEN coalesce(reply_bytes, 0) ELSE bytes END AS client_bytes,
    CASE WHEN is_reply THEN packets ELSE coalesce(reply_packets, 0) END AS server_packets,
    CASE WHEN is_reply THEN bytes ELSE coalesce(reply_bytes, 0) END AS server_bytes
FROM ported_flow
