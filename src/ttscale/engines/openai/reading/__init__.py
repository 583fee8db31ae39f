"""What a reply holds beside its text: tool calls, and fields for its client alone."""
