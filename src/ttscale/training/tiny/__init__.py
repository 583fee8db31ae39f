"""The bundled reasoner: model, tokenizer, and the recipe that trains it."""
