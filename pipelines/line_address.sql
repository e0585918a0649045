-- row: one address of the subscribers' networks that is seen in flows; own relays inside those networks are none
-- build: step
SELECT DISTINCT ip_key FROM address WHERE is_line
