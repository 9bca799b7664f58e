"""What an artifact says of itself: manifest and calibration."""
