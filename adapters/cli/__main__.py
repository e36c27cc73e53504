"""`python -m adapters.cli` is `bhx`."""

from adapters.cli import app

if __name__ == "__main__":
    app()
