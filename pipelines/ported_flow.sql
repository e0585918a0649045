-- row: one TCP flow record, with whether its ports are mail ports and whether it goes back from the server
-- build: view
--
-- A record whose source port alone is a mail port goes back from the server. Where both ports are mail ports the
-- source is taken for the client. (CASE, because DuckDB makes a join of a long IN list: a third slower.)
SELECT *, src_is_mail AND NOT dst_is_mail AS is_reply, src_is_mail AND dst_is_mail AS client_has_mail_port
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
) AS f
