"""Figures over the rows of declared resources, grouped and summed, by dates of their places."""
