"""The IPTV portal's API."""
