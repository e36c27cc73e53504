"""What each view may show, as data: an element that is not listed is left out."""
