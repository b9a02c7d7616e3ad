SELECT * FROM moments('tea')
WHERE job_id = 'job-a'
