-- row: one name by which lease logs (kind lease) or mail logs (kind auth) call a line, and the line it belongs to
-- build: whole
--
-- Lease logs name a line by its user name or, in DHCP, by what identify_by says: a hardware address, a circuit.
-- Where the subscriber list gives no other name it is the line's own identifier. The file that was read last and has
-- the name decides; a name that it gives to two lines belongs to neither.
WITH named AS (
    SELECT 'lease' AS kind, coalesce(radius_user, subscriber) AS name, subscriber, source FROM subscriber_record
    UNION ALL
    SELECT 'auth' AS kind, coalesce(auth_user, subscriber) AS name, subscriber, source FROM subscriber_record
),
dated AS (
    SELECT
        n.kind, n.name, n.subscriber,
        rank() OVER (PARTITION BY n.kind, n.name ORDER BY f."at" DESC NULLS LAST, n.source) AS age
    FROM named AS n
    LEFT JOIN source_file AS f ON f.sha256 = n.source
)
SELECT kind, name, min(subscriber) AS subscriber
FROM dated
WHERE age = 1
GROUP BY kind, name
HAVING count(DISTINCT subscriber) = 1
