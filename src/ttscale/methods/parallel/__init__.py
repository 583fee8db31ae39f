"""Methods that draw samples side by side."""
