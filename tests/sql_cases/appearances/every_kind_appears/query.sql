SELECT * FROM appearances(5)
