"""Benchmarks against other packages: problems x libraries, side by side in one run."""
