"""What is measured: counts and rates, rankings and their curves, calibration, operating points, subgroups."""
