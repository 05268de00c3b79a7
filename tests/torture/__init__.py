"""Attacks on the programs: kills, full disks, two runs at once, and damaged files."""
