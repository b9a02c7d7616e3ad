"""Subtitle files: fetched before their links die, kept byte for byte, and read line by line.

A `Subtitle` result holds signed links, not sentences. `guard` says which links may be followed,
`fetch` follows one, `archive` keeps what came, `collect` does so for all that is missing, `lines`
reads a file's sentences, and `rows` makes them rows of `subtitle_lines`.
"""
