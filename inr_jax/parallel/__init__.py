"""Work on several devices and processes: sharding, bucketing, compute settings."""
