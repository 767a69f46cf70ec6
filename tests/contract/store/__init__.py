"""The contract of a store. Every backend passes it, and deliberately broken ones must not."""
