-- Answered 36 hours ago, and a year ago.
INSERT INTO jobs (job_id, state, queried_at)
VALUES
('job-a', 'loaded', make_timestamp(epoch_us(now())) - INTERVAL 36 HOURS),
('job-b', 'loaded', make_timestamp(epoch_us(now())) - INTERVAL 365 DAYS);
INSERT INTO results (job_id, result_index, type, state)
VALUES ('job-b', 0, 'ASR', 'loaded');
