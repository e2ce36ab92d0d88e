"""The header of Basic authentication."""

import base64


def basic(token: str, key: str) -> str:
    """What a client sends for a token and its key."""
    return f"Basic {base64.b64encode(f'{token}:{key}'.encode()).decode()}"
