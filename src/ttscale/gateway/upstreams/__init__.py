"""The models behind the gateway, and whether they answer."""
