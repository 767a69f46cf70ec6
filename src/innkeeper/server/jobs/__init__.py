"""Background work: a runner and one file per job."""
