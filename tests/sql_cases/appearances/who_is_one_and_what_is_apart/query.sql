-- Persons of one name are one, aliases included, over categories and results, not over videos;
-- tags are apart by main tag. Boxes and speech are no appearances, nor is what has no
-- name. A logo and an entity of one brand are its appearance once more.
SELECT * FROM appearances()
