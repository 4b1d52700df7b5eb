# Works without end.
while true; do echo "tick"; sleep 5; done
