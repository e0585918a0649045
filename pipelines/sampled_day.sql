-- row: one subscriber × day × exporter × sampling interval × destination group × port that mail is sent to (25, 465,
--      587), own relays left out: how much of it was seen, for estimates of what sampling missed
-- build: day
--
-- Counts are of sampled packets, not scaled. `squared_bytes` sums the squares of packet sizes (of a record with several
-- packets their mean), for the variance of bytes. A session that several exporters saw counts for one of them.
SELECT
    s.day, h.subscriber, s.exporter, s.sampling_interval, d.destination_group, s.server_port AS port,
    count(*) AS sessions,
    sum(CASE WHEN s.outcome = 'established' THEN 1 ELSE 0 END) AS established,
    sum(s.client_packets) AS client_packets,
    sum(s.server_packets) AS server_packets,
    sum(s.client_bytes + s.server_bytes) AS bytes,
    -- Decimals add up to the same in any order; the bound keeps absurd counters from overflowing them.
    CAST(sum(CASE
        WHEN s.client_packets + s.server_packets > 0
        THEN CAST(least(1e30, CAST(s.client_bytes + s.server_bytes AS DOUBLE) * (s.client_bytes + s.server_bytes)
            / (s.client_packets + s.server_packets)) AS DECIMAL(38, 3))
    END) AS DOUBLE) AS squared_bytes
FROM connection AS s
JOIN destination AS d ON d.day = s.day AND d.number = s.server
JOIN holder AS h ON h.day = s.day AND h.number = s.holder AND h.number > 0
WHERE s.direction = 'out' AND s.server_port IN (25, 465, 587)
    AND d.destination_group <> 'own-relay'
GROUP BY s.day, h.subscriber, s.exporter, s.sampling_interval, d.destination_group, s.server_port
