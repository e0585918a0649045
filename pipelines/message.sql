-- row: one message at one mail server: everything its log says of one use of a queue id
-- build: day
-- margin: 6 days
--
-- Servers use queue ids again. A new message begins with an `accepted` event, or with the first event after `removed`.
-- `subscriber` is the line whose SMTP AUTH name it is, else the line that held the client's address at that moment.
-- `own_line`: the client's address lies in the subscribers' networks, so it is a line of this ISP.
-- A message belongs to the day of its first event.
WITH ordered AS (
    SELECT
        *,
        CASE event
            WHEN 'accepted' THEN 0 WHEN 'rejected' THEN 1 WHEN 'queued' THEN 2 WHEN 'delivery' THEN 3 ELSE 4
        END AS step
    FROM mail_event
    WHERE queue_id IS NOT NULL AND event <> 'auth'
),
numbered AS (
    SELECT
        *,
        sum(CASE WHEN event = 'accepted' THEN 1 ELSE 0 END) OVER (
            PARTITION BY mta_host, queue_id ORDER BY "at", step ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS beginnings,
        coalesce(sum(CASE WHEN event = 'removed' THEN 1 ELSE 0 END) OVER (
            PARTITION BY mta_host, queue_id ORDER BY "at", step ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS endings
    FROM ordered
),
joined AS (
    SELECT
        min(day) AS day, mta_host, queue_id,
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
        max(CASE WHEN event = 'removed' THEN 1 ELSE 0 END) = 1 AS removed
    FROM numbered
    GROUP BY mta_host, queue_id, beginnings, endings
),
login AS (
    SELECT auth_user, min(subscriber) AS subscriber
    FROM subscriber
    WHERE auth_user IS NOT NULL
    GROUP BY auth_user
    HAVING count(*) = 1
)
SELECT
    m.day, m.mta_host, m.queue_id, m.first_at, m.last_at, m.accepted_at, m.client_ip, m.listener_port,
    m.auth_mechanism, m.auth_user, m.sender_domain, m.size_bytes, m.recipients,
    m.sent, m.deferred, m.bounced, m.expired, m.rejected, m.removed,
    a.ip_key IS NOT NULL AS own_line,
    coalesce(u.subscriber, n.subscriber, CASE WHEN s.holders = 1 THEN s.subscriber END) AS subscriber
FROM joined AS m
LEFT JOIN login AS u ON u.auth_user = m.auth_user
LEFT JOIN subscriber AS n ON n.subscriber = m.auth_user
LEFT JOIN line_address AS a ON a.ip_key = m.client_key
LEFT JOIN lease_segment AS s
    ON s.ip_key = m.client_key AND s.port_first = 0 AND s.port_last = 65535
    AND s.start <= m.first_at AND (s."end" IS NULL OR m.first_at < s."end")
