-- 10 - 9.7 and 12.3 - 12 are more than 0.3 in binary fractions.
SELECT * FROM moments_near('TEA', 'coffee', 0.3)
