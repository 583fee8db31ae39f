"""Values that users write: declared tables of them, and the files they are kept in."""
