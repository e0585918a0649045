-- row: one subscriber × day × organisation that it connects to, or tries to, on port 25; the own relays left out
-- build: day
--
-- What a session carried is told by the bytes from the client: fewer than mail_size.bytes in an established session is
-- `tiny` (refused at the banner, greylisted, or a scan); under sampling bytes are missing, so there a session is never
-- tiny, but may be `mail_sized`. Of sessions of unknown outcome `in_vain` are those of which only SYNs
-- or resets were seen, `carried` those with another packet.
-- `failed` is the X of the sequential test: 1 where no session of the day carried mail and one failed or was tiny, 0
-- where one worked, NULL where nothing can be told.
-- `gaps` are pauses of a minute and more between successive sessions; `hours` has one bit for each local hour.
WITH external AS (
    SELECT
        s.day, s.holder, d.organisation_number, d.submission, s.first_seen, s.last_seen,
        s.outcome, s.client_bytes, s.server_bytes, s.futile, s.sampling_interval,
        CASE
            WHEN s.outcome = 'established' AND s.sampling_interval = 1 AND s.client_packets >= 3
                AND s.client_bytes < m.bytes THEN 1 ELSE 0
        END AS tiny,
        CASE WHEN s.outcome IN ('established', 'unknown') AND s.client_bytes >= m.bytes THEN 1 ELSE 0 END AS mail_sized,
        date_diff('minute', w.since, s.first_seen) AS minute,
        date_diff('second', lag(s.first_seen) OVER (
            PARTITION BY s.holder, d.organisation_number ORDER BY s.first_seen
        ), s.first_seen) AS gap
    FROM connection AS s
    JOIN destination AS d ON d.day = s.day AND d.number = s.server
    CROSS JOIN mail_size AS m
    CROSS JOIN build_window AS w
    WHERE s.direction = 'out' AND s.server_port = 25 AND s.holder > 0 AND d.destination_group <> 'own-relay'
),
told AS (
    SELECT
        *,
        CASE WHEN outcome = 'unknown' AND mail_sized = 0 AND futile = 1 THEN 1 ELSE 0 END AS in_vain,
        CASE WHEN outcome = 'unknown' AND (mail_sized = 1 OR futile = 0) THEN 1 ELSE 0 END AS carried
    FROM external
),
summed AS (
    SELECT
        day, holder, organisation_number,
        max(submission) AS submission,
        count(*) AS sessions,
        sum(CASE WHEN outcome = 'established' THEN 1 ELSE 0 END) AS established,
        sum(CASE WHEN outcome = 'refused' THEN 1 ELSE 0 END) AS refused,
        sum(CASE WHEN outcome = 'no-answer' THEN 1 ELSE 0 END) AS no_answer,
        sum(CASE WHEN outcome = 'unknown' THEN 1 ELSE 0 END) AS unknown,
        sum(in_vain) AS in_vain,
        sum(carried) AS carried,
        sum(tiny) AS tiny,
        sum(mail_sized) AS mail_sized,
        sum(CASE WHEN mail_sized = 1 THEN client_bytes ELSE 0 END) AS mail_bytes,
        -- Decimals add up to the same in any order; the bound keeps absurd counters from overflowing them.
        CAST(sum(CASE
            WHEN mail_sized = 1 THEN CAST(least(1e30, CAST(client_bytes AS DOUBLE) * client_bytes) AS DECIMAL(38, 0)) ELSE 0
        END) AS DOUBLE) AS mail_bytes_squares,
        bit_or(1 << CAST(least(greatest(floor(minute / 60), 0), 23) AS INTEGER)) AS hours,
        sum(CASE WHEN minute < 360 THEN 1 ELSE 0 END) AS night_sessions,
        count(CASE WHEN gap >= 60 THEN 1 END) AS gaps,
        sum(CASE WHEN gap >= 60 THEN gap ELSE 0 END) AS gap_seconds,
        sum(CASE WHEN gap >= 60 THEN CAST(gap AS DOUBLE) * gap ELSE 0 END) AS gap_squares,
        min(minute) AS first_minute,
        CASE
            WHEN sum(CASE WHEN mail_sized = 1 OR carried = 1 OR (outcome = 'established' AND tiny = 0) THEN 1 ELSE 0 END) > 0
                THEN 0
            WHEN sum(CASE WHEN outcome IN ('refused', 'no-answer') OR tiny = 1 OR in_vain = 1 THEN 1 ELSE 0 END) > 0 THEN 1
        END AS failed,
        max(sampling_interval) AS sampling_interval,
        min(first_seen) AS first_seen,
        max(last_seen) AS last_seen
    FROM told
    GROUP BY day, holder, organisation_number
),
organisation AS (
    SELECT day, organisation_number, destination_group, organisation, max(name) AS name
    FROM destination
    GROUP BY day, organisation_number, destination_group, organisation
)
SELECT
    s.day, h.subscriber, o.destination_group, o.organisation, o.name, s.submission,
    s.sessions, s.established, s.refused, s.no_answer, s.unknown, s.in_vain, s.carried, s.tiny, s.mail_sized,
    s.mail_bytes, s.mail_bytes_squares, s.hours, s.night_sessions, s.gaps, s.gap_seconds, s.gap_squares,
    s.first_minute, s.failed, s.sampling_interval, s.first_seen, s.last_seen
FROM summed AS s
JOIN organisation AS o ON o.day = s.day AND o.organisation_number = s.organisation_number
JOIN holder AS h ON h.day = s.day AND h.number = s.holder
