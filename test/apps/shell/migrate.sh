# The release phase: runs once on each new release, before it holds.
echo "migrated by $DYNO"
