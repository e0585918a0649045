-- row: one five-tuple with records before and after somebody came to hold its line
-- build: step
SELECT t.client_high, t.client_low, t.server_high, t.server_low, t.client_port, t.server_port
FROM five_tuple AS t
JOIN holding AS h
    ON h.high = t.client_high AND h.low = t.client_low AND t.client_port BETWEEN h.port_first AND h.port_last
    AND h.start > t.first_seen AND h.start <= t.last_begun
WHERE t.records > 1
UNION
SELECT t.client_high, t.client_low, t.server_high, t.server_low, t.client_port, t.server_port
FROM five_tuple AS t
JOIN holding AS h
    ON h.high = t.server_high AND h.low = t.server_low AND t.server_port BETWEEN h.port_first AND h.port_last
    AND h.start > t.first_seen AND h.start <= t.last_begun
WHERE t.records > 1 AND t.server_port = 25
