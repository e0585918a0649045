"""`python -m op25b.cli`, for where the `op25b` script is not on the path."""

from op25b.cli import main

main()
