"""Parts of the engine that runs a Hugging Face model in this process. They need torch."""
