"""Tests of the hosted PBX over HTTP."""
