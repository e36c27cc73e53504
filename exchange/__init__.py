"""What may pass, and the proof of it: pure rules, ports and the path of a message."""
