"""The authorization-server role: model, rules, flows, web, storage and the command line."""
