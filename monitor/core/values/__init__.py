"""Values: the small records and arrays that all other parts are made of."""
