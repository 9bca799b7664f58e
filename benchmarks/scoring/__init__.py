"""How many windows one core scores."""
