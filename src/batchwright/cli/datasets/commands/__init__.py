"""The commands, one a module; each is made for a backend by `command_for`."""
