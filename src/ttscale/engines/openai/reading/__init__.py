"""Reading what a server sends: JSON of unknown make becomes values of a known kind."""
