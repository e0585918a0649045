-- row: one line's mails that one of the own servers refused for policy (status code 5.7.x, RFC 3463: security or policy)
--      at one moment, before they had a queue id, as most servers do; what was refused later is in `message`
-- build: day
--
-- On 587 and 465 a program that does not log in is refused with the same code (5.7.1, access denied): that is a setting
-- to mend and no verdict on its mail, so there only refusals of those who logged in count.
WITH refusal AS (
    SELECT day, "at", mta_host, client_key, count(*) AS refusals
    FROM mail_event
    WHERE event = 'rejected' AND queue_id IS NULL AND dsn LIKE '5.7.%' AND client_key IS NOT NULL
        AND (coalesce(listener_port, 25) = 25 OR auth_user IS NOT NULL)
    GROUP BY day, "at", mta_host, client_key
),
line AS (
    SELECT DISTINCT r.client_key
    FROM (SELECT DISTINCT client_key FROM refusal) AS r
    JOIN network AS own ON own.role = 'subscriber' AND r.client_key BETWEEN own.key_first AND own.key_last
    LEFT JOIN network AS relay ON relay.role = 'relay' AND r.client_key BETWEEN relay.key_first AND relay.key_last
    WHERE relay.role IS NULL
),
holding AS (
    SELECT a.client_key, l.subscriber, l.start, l."end", l.port_last - l.port_first AS ports
    FROM current_lease AS l
    JOIN line AS a ON l.ip_first = a.client_key AND l.ip_last = l.ip_first
    UNION ALL
    SELECT a.client_key, l.subscriber, l.start, l."end", l.port_last - l.port_first AS ports
    FROM current_lease AS l
    JOIN line AS a ON a.client_key BETWEEN l.ip_first AND l.ip_last
    WHERE l.ip_first < l.ip_last
)
-- The log has no client port: an address that is shared by ports names nobody.
SELECT r.day, r."at", r.mta_host, min(h.subscriber) AS subscriber, max(r.refusals) AS refusals
FROM refusal AS r
JOIN holding AS h ON h.client_key = r.client_key AND h.start <= r."at" AND (h."end" IS NULL OR r."at" < h."end")
GROUP BY r.day, r."at", r.mta_host, r.client_key
HAVING count(DISTINCT h.subscriber) = 1 AND min(h.ports) = 65535
