-- The cart is another thing. Old Name has been given the name, and one of its boxes has lost the
-- appearance it belongs to.
SELECT
    row_number() OVER () AS n,
    b.*
FROM track(' red CAR ') AS b
