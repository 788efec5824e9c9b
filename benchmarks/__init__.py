"""What the figures of the README come from. Each is printed beside a ceiling measured in the same run."""
