-- The generation that lives although its app was told that the store is away. NULL, or an older one: there is none.
ALTER TABLE refresh_families ADD COLUMN untold_generation BIGINT;
