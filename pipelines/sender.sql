-- row: one subscriber that sends, or tries to send, to external port 25 (any server but the own relays), over all days
-- build: whole
--
-- `destinations_5min` leaves mobile carriers out: where they are blocked, one message makes a server try them all.
-- sessions are connections and attempts; `pop_same_organisation` counts POP/IMAP sessions with an organisation that is
-- also a port-25 destination; `answered_inbound` counts connections from outside that the line's port 25 answered.
--
-- `sprt` is the verdict of the sequential test on first contacts (`bot`, `normal`, or `open` where neither), `sprt_n`
-- how many there were, `sprt_failed` how many of them failed; mobile carriers left out. Each first contact moves the
-- sum by sequential_test.failed or .worked; `rise` is its height over its lowest value so far (Page 1954, Biometrika
-- 41: a CUSUM is a sequence of Wald's tests with the lower barrier at 0), so that it accuses whenever Wald's test,
-- started at any contact, does. `fall` is the same downward. A subscriber is one line: another holder of the
-- address is another sequence. `relay_sprt` is the test on the own relay's verdicts: refused for policy, or sent.
WITH sequence AS (
    SELECT c.subscriber, c.first_seen, c.organisation, c.failed
    FROM contact AS c
    WHERE c.failed IS NOT NULL AND c.destination_group <> 'mobile-carrier'
),
-- Most lines have fewer contacts than any verdict needs; the windows below are spared them.
summed AS (
    SELECT
        s.subscriber, s.first_seen, s.organisation, s.failed,
        sum(CASE WHEN s.failed = 1 THEN t.failed ELSE t.worked END) OVER (
            PARTITION BY s.subscriber ORDER BY s.first_seen, s.organisation
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS level
    FROM sequence AS s
    CROSS JOIN sequential_test AS t
    JOIN (SELECT subscriber, count(*) AS contacts FROM sequence GROUP BY subscriber) AS l
        ON l.subscriber = s.subscriber AND l.contacts >= t.fewest
),
walked AS (
    SELECT
        subscriber,
        level - least(0, min(level) OVER (
            PARTITION BY subscriber ORDER BY first_seen, organisation ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS rise,
        greatest(0, max(level) OVER (
            PARTITION BY subscriber ORDER BY first_seen, organisation ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) - level AS fall
    FROM summed
),
tested AS (
    SELECT subscriber, max(rise) AS rise, max(fall) AS fall FROM walked GROUP BY subscriber
),
contacted AS (
    SELECT subscriber, count(*) AS contacts, sum(failed) AS failed FROM sequence GROUP BY subscriber
),
verdict AS (
    SELECT subscriber, first_at, queue_id, CASE WHEN sent = 0 THEN 1 ELSE 0 END AS refused
    FROM message
    WHERE subscriber IS NOT NULL AND (sent > 0 OR policy > 0)
    UNION ALL
    SELECT subscriber, "at" AS first_at, mta_host AS queue_id, 1 AS refused
    FROM relay_refusal
),
judged AS (
    SELECT v.subscriber, v.first_at, v.queue_id, v.refused
    FROM verdict AS v
    JOIN (SELECT subscriber, sum(refused) AS refused FROM verdict GROUP BY subscriber) AS l
        ON l.subscriber = v.subscriber
    JOIN sequential_test AS t ON l.refused >= t.fewest
),
relay_summed AS (
    SELECT
        j.subscriber, j.first_at, j.queue_id,
        sum(CASE WHEN j.refused = 1 THEN t.failed ELSE t.worked END) OVER (
            PARTITION BY j.subscriber ORDER BY j.first_at, j.queue_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS level
    FROM judged AS j
    CROSS JOIN sequential_test AS t
),
relay_walked AS (
    SELECT
        subscriber,
        level - least(0, min(level) OVER (
            PARTITION BY subscriber ORDER BY first_at, queue_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS rise
    FROM relay_summed
),
relay_tested AS (
    SELECT subscriber, max(rise) AS rise FROM relay_walked GROUP BY subscriber
),
-- `provider` is the name of the line's only known provider.
known AS (
    SELECT
        subscriber,
        CASE WHEN count(*) = count(submission) THEN max(submission) END AS submission,
        CASE WHEN min(name) = max(name) THEN min(name) END AS provider
    FROM contact
    WHERE destination_group = 'known-provider'
    GROUP BY subscriber
),
month AS (
    SELECT
        subscriber, min(attribution) AS attribution, bit_or(days) AS days, sum(flows) AS flows,
        sum(client_bytes) AS client_bytes, sum(server_bytes) AS server_bytes,
        max(CASE WHEN destination_group <> 'mobile-carrier' THEN destinations_5min ELSE 0 END) AS destinations_5min,
        max(CASE WHEN destination_group <> 'mobile-carrier' THEN sessions_5min ELSE 0 END) AS sessions_5min
    FROM sender_month
    WHERE port = 25 AND destination_group <> 'own-relay'
    GROUP BY subscriber, month
),
external AS (
    SELECT
        subscriber, min(attribution) AS attribution, sum(bit_count(days)) AS days_active, sum(flows) AS flows,
        sum(client_bytes) AS client_bytes, sum(server_bytes) AS server_bytes,
        max(destinations_5min) AS destinations_5min, max(sessions_5min) AS sessions_5min
    FROM month
    GROUP BY subscriber
),
submitting AS (
    SELECT subscriber, sum(established) AS sessions
    FROM sender_month
    WHERE port IN (465, 587) AND destination_group <> 'own-relay'
    GROUP BY subscriber
),
answering AS (
    SELECT subscriber, sum(established) AS sessions, count(DISTINCT peer_ip) AS peers, count(DISTINCT day) AS days
    FROM peer_day
    WHERE direction = 'in' AND established > 0 AND subscriber IS NOT NULL
    GROUP BY subscriber
),
-- Where no connection from outside is seen at all, such as with flows of one direction only, its absence tells nothing.
inbound AS (SELECT count(*) > 0 AS visible FROM peer_day WHERE direction = 'in'),
relaying AS (
    SELECT subscriber, sum(messages) AS messages, sum(bounced) AS bounced, sum(rejected) AS rejected
    FROM (
        SELECT subscriber, messages, bounced, rejected FROM relay_day
        UNION ALL
        SELECT subscriber, 0 AS messages, 0 AS bounced, refusals AS rejected FROM relay_refusal
    ) AS used
    GROUP BY subscriber
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY subscriber ORDER BY sessions DESC, organisation) AS place FROM contact
),
profile AS (
    SELECT
        subscriber,
        min(first_seen) AS first_seen,
        max(last_seen) AS last_seen,
        sum(sessions) AS sessions,
        sum(established) AS established,
        sum(refused) AS refused,
        sum(no_answer) AS no_answer,
        sum(unknown) AS unknown,
        sum(tiny) AS tiny,
        sum(mail_sized) AS mail_sized,
        sum(destinations) AS destinations,
        count(*) AS organisations,
        max(sessions) AS top_sessions,
        sum(CASE WHEN place <= 3 THEN sessions ELSE 0 END) AS top3_sessions,
        max(destinations) AS top_destinations,
        sum(CASE WHEN destination_group = 'mobile-carrier' THEN sessions ELSE 0 END) AS mobile_carrier_sessions,
        sum(CASE WHEN destination_group = 'known-provider' THEN sessions ELSE 0 END) AS known_provider_sessions,
        sum(CASE WHEN destination_group = 'other' THEN sessions ELSE 0 END) AS other_sessions,
        sum(CASE WHEN destination_group = 'mobile-carrier' THEN established ELSE 0 END) AS mobile_carrier_established,
        sum(CASE WHEN destination_group = 'known-provider' THEN established ELSE 0 END) AS known_provider_established,
        sum(CASE WHEN destination_group = 'other' THEN established ELSE 0 END) AS other_established,
        sum(CASE WHEN destination_group = 'mobile-carrier' THEN unknown ELSE 0 END) AS mobile_carrier_unknown,
        bit_or(hours) AS hours,
        sum(night_sessions) AS night_sessions,
        sum(reading) AS pop_same_organisation,
        sum(submitting) AS submission_same_organisation,
        max(sampling_interval) AS sampling_interval
    FROM ranked
    GROUP BY subscriber
)
SELECT
    p.subscriber, e.attribution, p.first_seen, p.last_seen, e.days_active, p.sessions, e.flows, p.established,
    p.refused, p.no_answer, p.unknown, p.tiny, p.mail_sized, p.destinations, p.organisations, p.top_sessions,
    p.top3_sessions, p.top_destinations, e.destinations_5min, e.sessions_5min,
    p.mobile_carrier_sessions, p.known_provider_sessions, p.other_sessions,
    p.mobile_carrier_established, p.known_provider_established, p.other_established, p.mobile_carrier_unknown,
    e.client_bytes, e.server_bytes, p.hours, p.night_sessions, p.pop_same_organisation,
    p.submission_same_organisation,
    coalesce(u.sessions, 0) AS submission_sessions,
    coalesce(a.sessions, 0) AS answered_inbound,
    coalesce(a.peers, 0) AS inbound_peers,
    coalesce(a.days, 0) AS inbound_days,
    i.visible AS inbound_visible,
    coalesce(r.messages, 0) AS relay_messages,
    coalesce(r.bounced, 0) AS relay_bounced,
    coalesce(r.rejected, 0) AS relay_rejected,
    CASE WHEN w.rise >= t.accuse THEN 'bot' END AS relay_sprt,
    CASE
        WHEN s.rise >= t.accuse THEN 'bot' WHEN s.fall >= -t.acquit THEN 'normal' WHEN c.contacts > 0 THEN 'open'
    END AS sprt,
    coalesce(c.contacts, 0) AS sprt_n,
    coalesce(c.failed, 0) AS sprt_failed,
    p.sampling_interval, k.provider, k.submission
FROM profile AS p
JOIN external AS e ON e.subscriber = p.subscriber
CROSS JOIN sequential_test AS t
CROSS JOIN inbound AS i
LEFT JOIN contacted AS c ON c.subscriber = p.subscriber
LEFT JOIN tested AS s ON s.subscriber = p.subscriber
LEFT JOIN relay_tested AS w ON w.subscriber = p.subscriber
LEFT JOIN submitting AS u ON u.subscriber = p.subscriber
LEFT JOIN answering AS a ON a.subscriber = p.subscriber
LEFT JOIN relaying AS r ON r.subscriber = p.subscriber
LEFT JOIN known AS k ON k.subscriber = p.subscriber
