-- row: one address of the subscribers' networks that is seen in flows; own relays inside those networks are none
-- build: step
SELECT DISTINCT seen.ip_key
FROM (
    SELECT DISTINCT ip_key FROM (SELECT src_key AS ip_key FROM flow UNION ALL SELECT dst_key AS ip_key FROM flow) AS ends
) AS seen
JOIN network AS own ON own.role = 'subscriber' AND seen.ip_key BETWEEN own.key_first AND own.key_last
LEFT JOIN network AS relay ON relay.role = 'relay' AND seen.ip_key BETWEEN relay.key_first AND relay.key_last
WHERE relay.role IS NULL
