"""From a name or specification to a model: what is bundled, what can be fetched."""
