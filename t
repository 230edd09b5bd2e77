Command exited with non-zero status 6
0.00
