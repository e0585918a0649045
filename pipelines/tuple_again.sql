-- row: one five-tuple of a line that may be several sessions; its addresses by their numbers in `address`, and as
--      numbers of 128 bits
-- build: step
SELECT *
FROM line_tuple
WHERE used_again
