"""What every member of a family obeys: one suite, run against each of them."""
