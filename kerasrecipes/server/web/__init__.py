"""What stands between the network and the models: connections, addresses, keys, pages."""
