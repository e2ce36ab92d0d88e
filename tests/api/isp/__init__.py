"""The provider's API through the whole application."""
