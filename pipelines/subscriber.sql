-- row: one customer line, as the file that was read last states it
-- build: whole
SELECT
    subscriber, plan, fixed_ip, access_node, area, dwelling, notice_channel, language, radius_user, auth_user, source
FROM (
    SELECT r.*, row_number() OVER (PARTITION BY r.subscriber ORDER BY f."at" DESC, r.source) AS age
    FROM subscriber_record AS r
    JOIN source_file AS f ON f.sha256 = r.source
) AS stated
WHERE age = 1
