"""How fast is it, beside a program that checks nothing? Both measured in one run."""
