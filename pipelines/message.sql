-- row: one message at one mail server: everything its log says of one use of a queue id
-- build: day
-- margin: 6 days
--
-- Servers use queue ids again. A new message begins with an `accepted` event, or with the first event after `removed`;
-- what comes between `removed` and the next `accepted` belongs to the latter (Exim's cutthrough delivers, and Sendmail
-- refuses recipients, before either logs the message).
-- `subscriber` is the line whose SMTP AUTH name it is, else the line that held the client's address at that moment.
-- `own_line`: the client's address lies in the subscribers' networks, so it is a line of this ISP.
-- `policy` counts refusals of its content or sender (status code 5.7.x, RFC 3463: security or policy).
-- A message belongs to the day of its first event; what is logged more than 6 days later is not seen.
WITH today AS (
    SELECT DISTINCT e.mta_host, e.queue_id
    FROM mail_event AS e
    CROSS JOIN build_window AS w
    WHERE e."at" >= w.since AND e."at" < w.until AND e.queue_id IS NOT NULL AND e.event <> 'auth'
),
ordered AS (
    SELECT
        e.*,
        CASE e.event
            WHEN 'accepted' THEN 0 WHEN 'rejected' THEN 1 WHEN 'queued' THEN 2 WHEN 'delivery' THEN 3 ELSE 4
        END AS step
    FROM mail_event AS e
    JOIN today AS t ON t.mta_host = e.mta_host AND t.queue_id = e.queue_id
    WHERE e.event <> 'auth'
),
ended AS (
    SELECT
        *,
        coalesce(sum(CASE WHEN event = 'removed' THEN 1 ELSE 0 END) OVER (
            PARTITION BY mta_host, queue_id ORDER BY "at", step ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS endings
    FROM ordered
),
numbered AS (
    SELECT
        *,
        greatest(sum(CASE WHEN event = 'accepted' THEN 1 ELSE 0 END) OVER (
            PARTITION BY mta_host, queue_id, endings ORDER BY "at", step
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ), 1) AS beginnings
    FROM ended
),
joined AS (
    SELECT
        min(day) AS day, mta_host, queue_id, beginnings, endings,
        min("at") AS first_at,
        max("at") AS last_at,
        min(CASE WHEN event = 'accepted' THEN "at" END) AS accepted_at,
        max(client_ip) AS client_ip,
        max(client_key) AS client_key,
        max(listener_port) AS listener_port,
        max(auth_mechanism) AS auth_mechanism,
        max(auth_user) AS auth_user,
        max(sender_domain) AS sender_domain,
        max(size_bytes) AS size_bytes,
        max(recipients) AS recipients,
        sum(CASE WHEN status = 'sent' THEN 1 ELSE 0 END) AS sent,
        sum(CASE WHEN status = 'deferred' THEN 1 ELSE 0 END) AS deferred,
        sum(CASE WHEN status = 'bounced' THEN 1 ELSE 0 END) AS bounced,
        sum(CASE WHEN status = 'expired' THEN 1 ELSE 0 END) AS expired,
        sum(CASE WHEN event = 'rejected' THEN 1 ELSE 0 END) AS rejected,
        sum(CASE WHEN (event = 'rejected' OR status = 'bounced') AND dsn LIKE '5.7.%' THEN 1 ELSE 0 END) AS policy,
        max(CASE WHEN event = 'removed' THEN 1 ELSE 0 END) = 1 AS removed
    FROM numbered
    GROUP BY mta_host, queue_id, beginnings, endings
),
line AS (
    SELECT DISTINCT m.client_key
    FROM (SELECT DISTINCT client_key FROM joined) AS m
    JOIN network AS own ON own.role = 'subscriber' AND m.client_key BETWEEN own.key_first AND own.key_last
    LEFT JOIN network AS relay ON relay.role = 'relay' AND m.client_key BETWEEN relay.key_first AND relay.key_last
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
),
-- The log has no client port: an address that is shared by ports names nobody.
holder AS (
    SELECT m.mta_host, m.queue_id, m.beginnings, m.endings, min(h.subscriber) AS subscriber
    FROM joined AS m
    JOIN holding AS h
        ON h.client_key = m.client_key AND h.start <= m.first_at AND (h."end" IS NULL OR m.first_at < h."end")
    GROUP BY m.mta_host, m.queue_id, m.beginnings, m.endings
    HAVING count(DISTINCT h.subscriber) = 1 AND min(h.ports) = 65535
)
SELECT
    m.day, m.mta_host, m.queue_id, m.first_at, m.last_at, m.accepted_at, m.client_ip, m.listener_port,
    m.auth_mechanism, m.auth_user, m.sender_domain, m.size_bytes, m.recipients,
    m.sent, m.deferred, m.bounced, m.expired, m.rejected, m.policy, m.removed,
    a.client_key IS NOT NULL AS own_line,
    coalesce(u.subscriber, h.subscriber) AS subscriber
FROM joined AS m
LEFT JOIN login AS u ON u.kind = 'auth' AND u.name = m.auth_user
LEFT JOIN line AS a ON a.client_key = m.client_key
LEFT JOIN holder AS h
    ON h.mta_host = m.mta_host AND h.queue_id = m.queue_id AND h.beginnings = m.beginnings AND h.endings = m.endings
