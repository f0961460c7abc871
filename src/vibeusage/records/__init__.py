"""What the assistants on this machine consumed: their own logs, read, priced and kept."""
