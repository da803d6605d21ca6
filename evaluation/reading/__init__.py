"""From files and arrays to predictions: formats, columns, labels, missing results, and every refusal in words."""
