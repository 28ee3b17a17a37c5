"""The commands about datasets: `batchwright batch`, mounted in the llm tool as `llm batch`."""
