"""What ``python -m sandbox`` does: up.py starts one, record.py and event.py do in it what people and Azure do."""
