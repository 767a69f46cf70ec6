"""HTTP: machines' endpoints (wire), people's pages, and what stands before both."""
