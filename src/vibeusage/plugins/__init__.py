"""Plugins: providers and readers of others, each in a process of its own behind a fence, once a person approved it."""
