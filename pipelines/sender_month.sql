-- row: one subscriber × month × destination group × port that mail is sent to (25, 465, 587): sender_day summed, so that
--      questions about all days read few rows
-- build: whole
-- by: subscriber
--
-- `month` counts months since the year 0 (year × 12 + month - 1); bit n of `days` stands for day n + 1 of the month.
SELECT
    subscriber,
    CAST(extract(YEAR FROM day) * 12 + extract(MONTH FROM day) - 1 AS INTEGER) AS month,
    destination_group, port,
    bit_or(1 << CAST(extract(DAY FROM day) - 1 AS INTEGER)) AS days,
    min(attribution) AS attribution,
    sum(sessions) AS sessions,
    sum(flows) AS flows,
    sum(established) AS established,
    sum(unknown) AS unknown,
    max(destinations_5min) AS destinations_5min,
    max(sessions_5min) AS sessions_5min,
    sum(client_bytes) AS client_bytes,
    sum(server_bytes) AS server_bytes,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
FROM sender_day
WHERE subscriber IS NOT NULL AND port IN (25, 465, 587)
GROUP BY
    subscriber, CAST(extract(YEAR FROM day) * 12 + extract(MONTH FROM day) - 1 AS INTEGER), destination_group, port
