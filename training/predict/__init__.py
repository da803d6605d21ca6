"""New images through a trained run: files, scores in batches, a table of predictions, a report where truth is known."""
