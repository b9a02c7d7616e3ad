SELECT * FROM moments('word')
