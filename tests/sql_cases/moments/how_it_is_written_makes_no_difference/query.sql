SELECT * FROM moments('  IN   the' || chr(12288) || 'cafe' || chr(769) || chr(10))
UNION ALL
SELECT * FROM moments('2024年ＡＩ')
UNION ALL
SELECT * FROM moments('樂器')
UNION ALL
SELECT * FROM moments('AU LAIT')
