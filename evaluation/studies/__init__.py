"""A model against other models, and against people who judged the same examples."""
