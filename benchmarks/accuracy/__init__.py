"""How well anomalies are found in public recordings."""
