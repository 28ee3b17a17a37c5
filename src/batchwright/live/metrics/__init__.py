"""What a live run tells a metrics server: Prometheus counters and OpenTelemetry spans."""
