"""Which times are free, and why others are not."""
