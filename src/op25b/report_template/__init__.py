"""The page of a report: the nbconvert template, its style, and the parts a notebook puts on it."""
