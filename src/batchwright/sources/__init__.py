"""Where work comes from: issue reports, documents, prompts."""
