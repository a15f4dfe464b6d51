"""The kinds of credential, one file each; ``registry.py`` has the facts about all of them."""
