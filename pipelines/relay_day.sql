-- row: one subscriber × day × listener port of the own relay × whether from a line of this ISP: messages
-- build: day
SELECT
    day, subscriber, listener_port, own_line,
    count(*) AS messages,
    sum(sent) AS sent,
    sum(deferred) AS deferred,
    sum(bounced) AS bounced,
    sum(rejected) AS rejected,
    max(auth_mechanism) AS auth_mechanism,
    max(last_at) AS last_at
FROM message
WHERE subscriber IS NOT NULL AND accepted_at IS NOT NULL
GROUP BY day, subscriber, listener_port, own_line
