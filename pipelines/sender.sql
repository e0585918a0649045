-- row: one subscriber that sends, or tries to send, to external port 25 (any server but the own relays), over all days
-- build: whole
--
-- `destinations_5min` leaves mobile carriers out: where they are blocked, one message makes a server try them all.
-- sessions are connections and attempts; `pop_same_organisation` counts POP/IMAP sessions with an organisation that is
-- also a port-25 destination; `answered_inbound` counts connections from outside that the line's port 25 answered.
WITH external AS (
    SELECT * FROM peer_day
    WHERE direction = 'out' AND port = 25 AND destination_group <> 'own-relay' AND subscriber IS NOT NULL
),
organisation AS (
    SELECT subscriber, organisation, sum(sessions) AS sessions
    FROM external
    GROUP BY subscriber, organisation
),
top AS (
    SELECT subscriber, count(*) AS organisations, max(sessions) AS top_sessions
    FROM organisation
    GROUP BY subscriber
),
-- Where one of the line's providers is not known to offer a port with SMTP AUTH, `submission` is NULL; `provider` is the
-- name of the only one.
known AS (
    SELECT
        subscriber,
        CASE WHEN count(*) = count(submission) THEN max(submission) END AS submission,
        CASE WHEN min(name) = max(name) THEN min(name) END AS provider
    FROM external
    WHERE destination_group = 'known-provider'
    GROUP BY subscriber
),
reading AS (
    SELECT p.subscriber, sum(p.established) AS sessions
    FROM peer_day AS p
    JOIN organisation AS o ON o.subscriber = p.subscriber AND o.organisation = p.organisation
    WHERE p.direction = 'out' AND p.port IN (110, 143, 993, 995)
    GROUP BY p.subscriber
),
submitting AS (
    SELECT subscriber, sum(established) AS sessions
    FROM peer_day
    WHERE direction = 'out' AND port IN (465, 587) AND destination_group <> 'own-relay' AND subscriber IS NOT NULL
    GROUP BY subscriber
),
answering AS (
    SELECT subscriber, sum(established) AS sessions, count(DISTINCT peer_ip) AS peers
    FROM peer_day
    WHERE direction = 'in' AND established > 0 AND subscriber IS NOT NULL
    GROUP BY subscriber
),
relaying AS (
    SELECT subscriber, sum(messages) AS messages FROM relay_day GROUP BY subscriber
),
bursts AS (
    SELECT subscriber, max(destinations_5min) AS destinations_5min
    FROM sender_day
    WHERE port = 25 AND destination_group NOT IN ('own-relay', 'mobile-carrier') AND subscriber IS NOT NULL
    GROUP BY subscriber
)
SELECT
    e.subscriber,
    min(e.attribution) AS attribution,
    min(e.first_seen) AS first_seen,
    max(e.last_seen) AS last_seen,
    count(DISTINCT e.day) AS days_active,
    sum(e.sessions) AS sessions,
    sum(e.flows) AS flows,
    sum(e.established) AS established,
    sum(e.refused) AS refused,
    sum(e.no_answer) AS no_answer,
    sum(e.unknown) AS unknown,
    count(DISTINCT e.peer_ip) AS destinations,
    max(t.organisations) AS organisations,
    max(t.top_sessions) AS top_sessions,
    coalesce(max(b.destinations_5min), 0) AS destinations_5min,
    sum(CASE WHEN e.destination_group = 'mobile-carrier' THEN e.sessions ELSE 0 END) AS mobile_carrier_sessions,
    sum(CASE WHEN e.destination_group = 'known-provider' THEN e.sessions ELSE 0 END) AS known_provider_sessions,
    sum(CASE WHEN e.destination_group = 'other' THEN e.sessions ELSE 0 END) AS other_sessions,
    sum(CASE WHEN e.destination_group = 'mobile-carrier' THEN e.established ELSE 0 END) AS mobile_carrier_established,
    sum(CASE WHEN e.destination_group = 'known-provider' THEN e.established ELSE 0 END) AS known_provider_established,
    sum(CASE WHEN e.destination_group = 'other' THEN e.established ELSE 0 END) AS other_established,
    sum(CASE WHEN e.destination_group = 'mobile-carrier' THEN e.unknown ELSE 0 END) AS mobile_carrier_unknown,
    sum(e.client_bytes) AS client_bytes,
    sum(e.server_bytes) AS server_bytes,
    coalesce(max(r.sessions), 0) AS pop_same_organisation,
    coalesce(max(u.sessions), 0) AS submission_sessions,
    coalesce(max(a.sessions), 0) AS answered_inbound,
    coalesce(max(a.peers), 0) AS inbound_peers,
    coalesce(max(m.messages), 0) AS relay_messages,
    max(k.provider) AS provider,
    max(k.submission) AS submission
FROM external AS e
JOIN top AS t ON t.subscriber = e.subscriber
LEFT JOIN bursts AS b ON b.subscriber = e.subscriber
LEFT JOIN reading AS r ON r.subscriber = e.subscriber
LEFT JOIN submitting AS u ON u.subscriber = e.subscriber
LEFT JOIN answering AS a ON a.subscriber = e.subscriber
LEFT JOIN relaying AS m ON m.subscriber = e.subscriber
LEFT JOIN known AS k ON k.subscriber = e.subscriber
GROUP BY e.subscriber
