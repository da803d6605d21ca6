"""Several cases on the same data: trained, ranked on validation, drawn as the notes' quadrant."""
