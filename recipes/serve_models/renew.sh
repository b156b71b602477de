#!/bin/sh
# Looks at what a server wrote down, and trains a successor where somebody should look at something.
# Run it by cron or a systemd timer, e.g. every night; what it says is for the log. It ends as
# `monitor` or `retrain` does: with 0 if all is well or there is a candidate, with 3 if the gates
# refused it. It puts nothing to use by itself: a rollout or `promote` does.
set -u
MODEL=${MODEL:-saved_models/tiles}      # its champion is watched
JOURNAL=${JOURNAL:-journal.db}          # of kerasrecipes serve --journal, or collect
PHOTOS=${PHOTOS:-photos/}               # all labelled photos, old and new
SETTINGS=${SETTINGS:-watch.toml}        # who is told of alarms
GATES=${GATES:-gates.toml}              # what a successor must fulfil
QUEUE=${QUEUE:-}                        # what people decided about, of serve --review-queue

kerasrecipes monitor "$JOURNAL" --bundle "$MODEL@champion" --settings "$SETTINGS" --html watch.html
found=$?
case $found in
  0 | 6) exit 0 ;;  # all is well, or there is too little to tell
  5) ;;
  *) exit $found ;;
esac
set -- "$MODEL" "$PHOTOS" --gates "$GATES" --why "monitor saw a change"
[ -z "$QUEUE" ] || set -- "$@" --queue "$QUEUE"
exec kerasrecipes retrain "$@"
