-- row: one customer line, as the file that was read last states it
-- build: whole
SELECT
    subscriber, plan, fixed_ip, access_node, area, dwelling, notice_channel, language, radius_user, auth_user, source
FROM (
    SELECT
        r.*,
        -- A file that lists a line twice says nothing of which row counts: the order of their values decides, always alike.
        row_number() OVER (
            PARTITION BY r.subscriber
            ORDER BY
                f."at" DESC NULLS LAST, r.source, r.plan, r.fixed_ip, r.access_node, r.area, r.dwelling,
                r.notice_channel, r.language, r.radius_user, r.auth_user
        ) AS age
    FROM subscriber_record AS r
    LEFT JOIN source_file AS f ON f.sha256 = r.source
) AS stated
WHERE age = 1
