"""Networks to start from: their names and facts, their weights, and the flat graphs that are built of them."""
