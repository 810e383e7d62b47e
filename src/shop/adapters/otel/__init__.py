"""OpenTelemetry: spans go to a collector in batches, and never hold up what they tell of."""
