"""Generated worlds that several systems are measured on, in token time."""
