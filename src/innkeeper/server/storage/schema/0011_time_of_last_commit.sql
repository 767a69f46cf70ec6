-- Where the machine's clock is the only one: when the last commit was, within a second. No clock starts before it.
ALTER TABLE instance ADD COLUMN committed_at BIGINT NOT NULL DEFAULT 0;
