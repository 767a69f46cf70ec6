-- After a failover or a restore the numbers of lost changes are given again: each change has a random tag beside its own.
ALTER TABLE registry_changes ADD COLUMN tag BIGINT NOT NULL DEFAULT 0;
