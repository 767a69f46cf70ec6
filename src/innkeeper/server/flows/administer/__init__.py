"""What an administrator does to records: one module per noun, one transition and audit row per change."""
