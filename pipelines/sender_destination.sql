-- row: one subscriber × destination cluster on port 25: each of the organisations a line has most to do with (where it
--      also reads or submits mail, then where most is carried), mobile carriers together, and per group all the others
-- build: whole
-- by: subscriber
--
-- `organisation` is NULL where a row stands for several. Regularity (gaps, minutes, sizes) means something only for
-- one. Five of their own are enough: a mail program has up to three providers, a home perhaps two programs.
WITH ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY subscriber
            ORDER BY
                CASE WHEN destination_group = 'mobile-carrier' THEN 1 ELSE 0 END,
                CASE WHEN reading + submitting > 0 THEN 0 ELSE 1 END,
                mail_sized DESC, established + carried DESC, sessions DESC, organisation
        ) AS place
    FROM contact
)
SELECT
    subscriber, destination_group,
    CASE WHEN destination_group <> 'mobile-carrier' AND place <= 5 THEN organisation END AS organisation,
    max(name) AS name,
    count(*) AS organisations,
    sum(destinations) AS destinations,
    max(days) AS days,
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
    sum(day_minutes) AS day_minutes,
    sum(day_minutes_squares) AS day_minutes_squares,
    sum(reading) AS reading,
    sum(submitting) AS submitting,
    max(sampling_interval) AS sampling_interval,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
FROM ranked
GROUP BY
    subscriber, destination_group,
    CASE WHEN destination_group <> 'mobile-carrier' AND place <= 5 THEN organisation END
