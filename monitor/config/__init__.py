"""What is common to sections of a configuration; a component's own section stands in its folder."""
