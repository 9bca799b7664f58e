"""Steps of alerts, posted to a web server as JSON."""
