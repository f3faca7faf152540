"""What runs by itself: loops that ask the services whether there is something to do."""
