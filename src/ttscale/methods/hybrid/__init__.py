"""Methods that search: they expand, judge and select."""
