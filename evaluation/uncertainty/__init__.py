"""How sure a number is: closed forms of intervals, resampling, linearisation."""
