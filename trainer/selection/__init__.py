"""Selection: choosing a model without labels."""
