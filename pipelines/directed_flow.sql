-- row: one TCP flow record, turned so that the client (who connects) and the server (who has the mail port) are known
-- build: view
--
-- A record whose source port alone is a mail port goes back from the server. Where both ports are mail ports the
-- source is taken for the client. (CASE, because DuckDB makes a join of a long IN list: a third slower.)
SELECT
    day, first_seen, last_seen, protocol, established, sampling_interval, exporter, forwarding_status, tcp_flags, source,
    is_reply, src_is_mail AND dst_is_mail AS client_has_mail_port,
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
FROM (
    SELECT *, src_is_mail AND NOT dst_is_mail AS is_reply
    FROM (
        SELECT
            *,
            CASE src_port
                WHEN 25 THEN true WHEN 110 THEN true WHEN 143 THEN true WHEN 465 THEN true
                WHEN 587 THEN true WHEN 993 THEN true WHEN 995 THEN true ELSE false
            END AS src_is_mail,
            CASE dst_port
                WHEN 25 THEN true WHEN 110 THEN true WHEN 143 THEN true WHEN 465 THEN true
                WHEN 587 THEN true WHEN 993 THEN true WHEN 995 THEN true ELSE false
            END AS dst_is_mail
        FROM flow
        WHERE protocol = 6
    ) AS ported
) AS f
