-- row: one TCP flow record of one or two lines, turned as in directed_flow, its addresses by their numbers in `address`
-- build: view
--
-- The line is the client, or the server where somebody connects to port 25 of the line; a record between two mail ports
-- does not prove that, as either end may have begun it.
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
