"""Named, conditional, atomic transitions over one portable schema."""
