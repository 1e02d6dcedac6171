"""What everything else reads to know how it should behave: the settings tree."""
