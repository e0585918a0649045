-- row: one flow record of one line (see line_flow), tied to the lease that held (address, port) at its first packet;
--      `attribution` is attributed, unattributed (no lease), ambiguous (overlapping leases) or, where the lake has no
--      leases at all, address (the address stands for the subscriber)
-- build: view
WITH known AS (SELECT count(*) AS leases FROM lease)
SELECT
    f.*,
    CASE
        WHEN s.holders = 1 THEN s.subscriber
        WHEN k.leases = 0 THEN f.line_ip
    END AS subscriber,
    CASE
        WHEN s.holders = 1 THEN 'attributed'
        WHEN s.holders > 1 THEN 'ambiguous'
        WHEN k.leases = 0 THEN 'address'
        ELSE 'unattributed'
    END AS attribution
FROM line_flow AS f
CROSS JOIN known AS k
LEFT JOIN lease_segment AS s
    ON s.ip_key = f.line_key
    AND f.line_port BETWEEN s.port_first AND s.port_last
    AND s.start <= f.first_seen AND (s."end" IS NULL OR f.first_seen < s."end")
