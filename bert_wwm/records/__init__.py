"""TFRecords: what stands in them, how they are written, described and read."""
