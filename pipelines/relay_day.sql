-- row: one subscriber × day × listener port of the own relay × whether from a line of this ISP: messages
-- build: day
--
-- What was refused when its text had come, or whose client went before that, is no message.
SELECT
    day, subscriber, listener_port, own_line,
    count(CASE
        WHEN sent + deferred + bounced + expired > 0 OR (size_bytes IS NOT NULL AND rejected = 0) THEN 1
    END) AS messages,
    sum(sent) AS sent,
    sum(deferred) AS deferred,
    sum(bounced) AS bounced,
    sum(rejected) AS rejected,
    max(auth_mechanism) AS auth_mechanism,
    max(last_at) AS last_at
FROM message
WHERE subscriber IS NOT NULL AND accepted_at IS NOT NULL
GROUP BY day, subscriber, listener_port, own_line
