"""Kills, cuts and restarts under load, and the checker that counts afterwards."""
