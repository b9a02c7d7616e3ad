-- severity: warn
-- Question: Is the newest reply younger than COGNITION_STALE_AFTER_HOURS?
-- Grain: one row if it is not; none without a limit, and none while there are no jobs
-- Reads: jobs
-- Units: hours; times in UTC
-- The limit and the present time are the variables stale_after_hours and checked_at.
WITH newest AS (
    SELECT
        max(j.queried_at) AS newest_reply_at,
        getvariable('checked_at') AS checked_at,
        getvariable('stale_after_hours') AS stale_after_hours
    FROM jobs AS j
)

SELECT
    n.newest_reply_at,
    round(epoch(n.checked_at - n.newest_reply_at) / 3600, 1) AS age_hours,
    n.stale_after_hours
FROM newest AS n
WHERE epoch(n.checked_at - n.newest_reply_at) / 3600 > n.stale_after_hours
