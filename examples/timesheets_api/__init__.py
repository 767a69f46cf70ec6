"""ExampleCo's Timesheets API: who works for ExampleCo writes down hours, and a manager approves them."""
