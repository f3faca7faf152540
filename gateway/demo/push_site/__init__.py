"""A shop's website that offers push notifications, to be tried in a browser: `python -m gateway.demo.push_site`."""
