-- row: one subscriber × organisation that it connects to, or tries to, on port 25 (own relays left out), over all days
-- build: whole
-- by: subscriber
--
-- `failed` is that of the first day on which the two met: whether the first contact failed. `reading` and `submitting`
-- count POP/IMAP sessions, and sessions on 465 or 587, with the same organisation; those of unknown outcome count too,
-- as nobody tries such ports at random. `day_minutes` adds up the minute of each day's first session.
WITH summed AS (
    SELECT
        subscriber, destination_group, organisation,
        max(name) AS name,
        -- Where a server is once not known to offer a port with SMTP AUTH, the whole is not known.
        CASE WHEN count(*) = count(submission) THEN max(submission) END AS submission,
        count(*) AS days,
        sum(sessions) AS sessions,
        sum(established) AS established,
        sum(refused) AS refused,
        sum(no_answer) AS no_answer,
        sum(unknown) AS unknown,
        sum(in_vain) AS in_vain,
        sum(carried) AS carried,
        sum(tiny) AS tiny,
        sum(mail_sized) AS mail_sized,
        sum(mail_bytes) AS mail_bytes,
        CAST(sum(CAST(mail_bytes_squares AS DECIMAL(38, 0))) AS DOUBLE) AS mail_bytes_squares,
        bit_or(hours) AS hours,
        sum(night_sessions) AS night_sessions,
        sum(gaps) AS gaps,
        sum(gap_seconds) AS gap_seconds,
        sum(gap_squares) AS gap_squares,
        sum(first_minute) AS day_minutes,
        sum(CAST(first_minute AS DOUBLE) * first_minute) AS day_minutes_squares,
        -- The first day decides: days come before the last digit to the base of 4, where 2 stands for NULL.
        min(date_diff('day', DATE '0001-01-01', day) * 4 + coalesce(failed, 2)) % 4 AS failed,
        max(sampling_interval) AS sampling_interval,
        min(first_seen) AS first_seen,
        max(last_seen) AS last_seen
    FROM contact_day
    GROUP BY subscriber, destination_group, organisation
),
-- Each server met on port 25, and one row for all that was done on other ports.
met AS (
    SELECT
        subscriber, destination_group, organisation,
        CASE WHEN port = 25 THEN peer_ip END AS server,
        sum(CASE WHEN port IN (110, 143, 993, 995) THEN established + unknown ELSE 0 END) AS reading,
        sum(CASE WHEN port IN (465, 587) THEN established + unknown ELSE 0 END) AS submitting
    FROM peer_day
    WHERE direction = 'out' AND destination_group <> 'own-relay' AND subscriber IS NOT NULL
    GROUP BY subscriber, destination_group, organisation, CASE WHEN port = 25 THEN peer_ip END
),
used AS (
    SELECT
        subscriber, destination_group, organisation,
        count(server) AS destinations,
        sum(reading) AS reading,
        sum(submitting) AS submitting
    FROM met
    GROUP BY subscriber, destination_group, organisation
)
SELECT
    s.subscriber, s.destination_group, s.organisation, s.name, s.submission, s.days, s.sessions, s.established,
    s.refused, s.no_answer, s.unknown, s.in_vain, s.carried, s.tiny, s.mail_sized, s.mail_bytes, s.mail_bytes_squares,
    s.hours, s.night_sessions, s.gaps, s.gap_seconds, s.gap_squares, s.day_minutes, s.day_minutes_squares,
    CASE WHEN s.failed < 2 THEN s.failed END AS failed,
    s.sampling_interval, s.first_seen, s.last_seen, u.destinations, u.reading, u.submitting
FROM summed AS s
JOIN used AS u
    ON u.subscriber = s.subscriber AND u.destination_group = s.destination_group AND u.organisation = s.organisation
