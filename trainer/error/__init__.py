"""The error: from features and their reconstruction to one number per window and channel."""
