#!/bin/sh
# Makes a backup of the running server, checks it, and removes the oldest beyond those that are kept.
#
#   backup.sh FOLDER [KEEP]        KEEP is how many are kept, 48 unless said otherwise
#
# LT_RUN_DIR names the server, else ./.lithair. Nothing is removed before a newer backup is made and found sound.
# `lithair` is the one on the PATH; LITHAIR=/opt/lithair/venv/bin/lithair names another.
set -eu

folder=${1:?usage: backup.sh FOLDER [KEEP]}
keep=${2:-48}
lithair=${LITHAIR:-lithair}
case $keep in
'' | *[!0-9]* | 0) echo "backup.sh: KEEP is a number from 1 on, not '$keep'" >&2 && exit 2 ;;
esac

mkdir -p "$folder"
new=$folder/$(date -u +%Y%m%dT%H%M%SZ)
"$lithair" backup "$new"
"$lithair" verify "$new"

# Only what is named as a backup is one; the names are in the order of their times.
n=0
for old in $(cd "$folder" && ls -1 | grep -E '^[0-9]{8}T[0-9]{6}Z$' | sort -r); do
    n=$((n + 1))
    if [ "$n" -gt "$keep" ]; then
        rm -r "${folder:?}/$old"
        echo "removed $old"
    fi
done
