"""What windows are worth that are judged without one of their channels."""
