-- row: one lease that was held for some time of the day
-- build: step
SELECT l.ip_first, l.ip_last, l.port_first, l.port_last, l.subscriber, l.start, l."end"
FROM lease AS l
CROSS JOIN build_window AS w
WHERE l.start < w.until AND (l."end" IS NULL OR (l."end" > w.since AND l."end" > l.start))
